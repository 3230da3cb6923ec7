# What the scripts of this folder share: the API of the forge, and the marks in a comment.
# Sourced, not run.
#
# LKH_FORGE says which forge it is: github (the default) or gitlab. The token comes in
# LKH_TOKEN and goes to curl on its standard input; large texts go through files. So neither
# is ever in an argv, which others on the machine can read and which has little room.
#
# Every function of a forge takes and gives the same:
#   forge_comments PR        the comments that this token's owner wrote, oldest first, a JSON
#                            object a line: {"id": ..., "body": "..."}
#   forge_create PR FILE     a new comment with the text of a file
#   forge_update PR ID FILE  another text for a comment
#   forge_merged SHA         the number of the pull request that was merged as this commit

# shellcheck shell=bash
set -euo pipefail

ci=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
lkh=${LKH:-lkh}
out=${LKH_OUT:-lkh-plan}

say() { printf 'lkh: %s\n' "$*"; }
die() {
  printf 'lkh: error: %s\n' "$*" >&2
  exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# stack_options: the options that say which stack, into the array `options`. LKH_ARGS holds
# options as they would be typed, split at spaces; LKH_VAR_FILES a file a line.
stack_options() {
  local file more=()
  options=(--dir "${LKH_DIR:-manifests}")
  while IFS= read -r file; do
    [[ -z ${file// /} ]] || options+=(--var-file "$file")
  done <<<"${LKH_VAR_FILES:-}"
  read -ra more <<<"${LKH_ARGS:-}"
  options+=("${more[@]}")
}

# stack_name: the name that the stack gives itself. describe reads manifests alone.
stack_name() {
  local only=() word take=
  # Of all options, those that say which stack, and with which variables.
  for word in "${options[@]}"; do
    if [[ -n $take ]]; then
      only+=("$word")
      take=
    else
      case $word in
        --dir | --var-file | --var | --exec) only+=("$word") && take=1 ;;
        --dir=* | --var-file=* | --var=* | --exec=*) only+=("$word") ;;
      esac
    fi
  done
  "$lkh" describe --json "${only[@]}" | jq -er '.stack'
}

# output NAME VALUE: a value for the steps that follow, where there are such.
output() {
  if [[ -n ${GITHUB_OUTPUT:-} ]]; then printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"; fi
}

# api METHOD PATH [FILE]: asks the forge; FILE is the JSON that is sent. The answer goes to
# standard output. Where it could not answer just then it is asked twice more, but never to make
# something: that could be there already.
api() {
  local method=$1 path=$2 file=${3:-} code
  local arguments=(
    --silent --show-error --config - --request "$method" --max-time 60
    --output "$work/answer" --write-out '%{http_code}' --header 'Content-Type: application/json'
  )
  [[ $method == POST ]] || arguments+=(--retry 2)
  [[ -z $file ]] || arguments+=(--data-binary "@$file")
  code=$(api_header | curl "${arguments[@]}" "$LKH_API$path") ||
    die "$LKH_FORGE could not be reached: $method $path"
  [[ $code == 2?? ]] || die "$method $path was refused with $code: $(head -c 400 "$work/answer")"
  cat "$work/answer"
}

# all PATH: every element of a list, page after page, an element a line.
all() {
  local path=$1 page=1 separator='?'
  [[ $path != *\?* ]] || separator='&'
  while ((page <= 50)); do
    api GET "$path${separator}per_page=100&page=$page" >"$work/page"
    jq -c '.[]' "$work/page"
    (($(jq length "$work/page") == 100)) || return 0
    page=$((page + 1))
  done
  die "$path has more than 5000 elements"
}

# mine STACK: of comments on standard input, the last one that holds a plan of this stack;
# nothing, where there is none. The mark must be the first line, whole.
mine() {
  jq -cs --arg mark "<!-- lkh:plan stack=$1 -->" \
    'map(select(.body | gsub("\r"; "") | split("\n")[0] == $mark)) | last // empty'
}

# seen KEY: of a comment's text on standard input, what the mark of the plan says: the hash,
# or the risk (0 is the worst). Nothing, where it says none.
seen() {
  local line
  line=$(tr -d '\r' | sed -n '2{/^<!-- lkh:seen [a-z0-9: =-]* -->$/p;}')
  case $1 in
    hash) grep -oE '\bhash=sha256:[0-9a-f]{64}\b' <<<"$line" | cut -d= -f2 ;;
    risk) grep -oE '\brisk=[0-9]+\b' <<<"$line" | cut -d= -f2 ;;
  esac || true
}

LKH_FORGE=${LKH_FORGE:-github}
case $LKH_FORGE in
  github | gitlab) source "$ci/$LKH_FORGE.sh" ;;
  *) die "LKH_FORGE is $LKH_FORGE, and must be github or gitlab" ;;
esac
