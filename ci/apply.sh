#!/usr/bin/env bash
# Carries out what was approved with a pull request, after its merge:
#
#   LKH_SHA=COMMIT ci/apply.sh
#
# The approved hash is the one in the comment of the merged pull request, in a mark that
# only this token's owner writes. No pull request, no comment or no hash: nothing is done.
# `lkh apply --approved` plans anew and does exactly that plan, or nothing at all: then the
# exit code is 3.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

sha=${LKH_SHA:-${GITHUB_SHA:-${CI_COMMIT_SHA:?the merged commit is not set}}}
[[ $sha =~ ^[0-9a-f]{40,64}$ ]] || die "$sha is no commit"
stack_options
stack=$(stack_name) || die "the stack can't be described"

pr=$(forge_merged "$sha")
[[ -n $pr ]] || die "$sha is not the merge of one pull request, so nobody approved a plan; nothing is done"
forge_comments "$pr" >"$work/comments"
mine "$stack" <"$work/comments" >"$work/comment"
[[ -s $work/comment ]] ||
  die "pull request $pr has no comment with a plan of $stack, so none was approved; nothing is done"
hash=$(jq -r .body "$work/comment" | seen hash)
[[ -n $hash ]] || die "the comment of pull request $pr names no hash; nothing is done"

say "pull request $pr approved $hash of $stack"
output hash "$hash"
code=0
"$lkh" apply "${options[@]}" --approved "$hash" || code=$?
if ((code == 3)); then
  say "what would be done now is not what was approved: open a pull request with the plan as it is now"
fi
exit "$code"
