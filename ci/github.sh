# GitHub's side of lib.sh. Sourced, not run.
#
# LKH_AUTHOR is who the token writes as: github-actions[bot] for the token of a workflow.
# Comments of anyone else are never read: whoever may comment could otherwise name a hash.

# shellcheck shell=bash
LKH_API=${LKH_API:-${GITHUB_API_URL:-https://api.github.com}}
LKH_REPOSITORY=${LKH_REPOSITORY:-${GITHUB_REPOSITORY:?}}
LKH_AUTHOR=${LKH_AUTHOR:-github-actions[bot]}

api_header() {
  printf 'header = "Authorization: Bearer %s"\n' "${LKH_TOKEN:?the token of the forge is not set}"
  printf 'header = "Accept: application/vnd.github+json"\n'
}

forge_comments() {
  all "/repos/$LKH_REPOSITORY/issues/$1/comments" |
    jq -c --arg author "$LKH_AUTHOR" 'select(.user.login == $author) | {id, body}'
}

forge_create() {
  jq -Rs '{body: .}' "$2" >"$work/body"
  api POST "/repos/$LKH_REPOSITORY/issues/$1/comments" "$work/body" | jq -r '.html_url // empty'
}

forge_update() {
  jq -Rs '{body: .}' "$3" >"$work/body"
  api PATCH "/repos/$LKH_REPOSITORY/issues/comments/$2" "$work/body" | jq -r '.html_url // empty'
}

forge_merged() {
  api GET "/repos/$LKH_REPOSITORY/commits/$1/pulls" |
    jq -r --arg sha "$1" 'map(select(.merged_at != null and .merge_commit_sha == $sha)) |
      if length == 1 then .[0].number else empty end'
}
