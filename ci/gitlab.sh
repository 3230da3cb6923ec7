# GitLab's side of lib.sh. Sourced, not run.
#
# LKH_TOKEN is a project access token with the scope api: the token of a job may not write
# notes. Only notes that the token's own user wrote are read.

# shellcheck shell=bash
LKH_API=${LKH_API:-${CI_API_V4_URL:?}}
LKH_REPOSITORY=${LKH_REPOSITORY:-${CI_PROJECT_ID:?}}

api_header() {
  printf 'header = "PRIVATE-TOKEN: %s"\n' "${LKH_TOKEN:?the token of the forge is not set}"
}

forge_comments() {
  local author
  author=$(api GET /user | jq -er '.id')
  all "/projects/$LKH_REPOSITORY/merge_requests/$1/notes?sort=asc&order_by=created_at" |
    jq -c --argjson author "$author" 'select(.author.id == $author and .system != true) | {id, body}'
}

forge_create() {
  jq -Rs '{body: .}' "$2" >"$work/body"
  api POST "/projects/$LKH_REPOSITORY/merge_requests/$1/notes" "$work/body" >/dev/null
}

forge_update() {
  jq -Rs '{body: .}' "$3" >"$work/body"
  api PUT "/projects/$LKH_REPOSITORY/merge_requests/$1/notes/$2" "$work/body" >/dev/null
}

forge_merged() {
  api GET "/projects/$LKH_REPOSITORY/repository/commits/$1/merge_requests" |
    jq -r --arg sha "$1" 'map(select(.state == "merged" and
      (.merge_commit_sha == $sha or .squash_commit_sha == $sha or .sha == $sha))) |
      if length == 1 then .[0].iid else empty end'
}
