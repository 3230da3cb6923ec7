#!/usr/bin/env bash
# Shows a plan on its pull request, in one comment that stays where it is:
#
#   LKH_PR=12 ci/comment.sh            the plan in lkh-plan/plan.md (see plan.sh)
#
# The comment of the stack is found by its hidden mark and edited in place, which notifies
# nobody. Where the risk rises, a fresh comment is written, and the old one says so.
# LKH_PAGE_URL, if given, is where the plan can be seen as a page.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

pr=${LKH_PR:?the number of the pull request is not set}
[[ $pr =~ ^[0-9]+$ ]] || die "LKH_PR is no number"
[[ -s $out/plan.md ]] || die "there is no $out/plan.md: run plan.sh before"

new=$work/new.md
cp "$out/plan.md" "$new"
stack=$(sed -n '1s/^<!-- lkh:plan stack=\(.*\) -->$/\1/p' "$new")
[[ -n $stack ]] || die "$out/plan.md has no mark of a plan"
hash=$(seen hash <"$new")
risk=$(seen risk <"$new")
[[ -n $hash && -n $risk ]] || die "$out/plan.md does not say which plan it shows"

if [[ -n ${LKH_PAGE_URL:-} ]]; then
  printf '\n[The plan as a page, with its graph](%s)\n' "$LKH_PAGE_URL" >>"$new"
fi

forge_comments "$pr" >"$work/comments"
mine "$stack" <"$work/comments" >"$work/old"
if [[ ! -s $work/old ]]; then
  url=$(forge_create "$pr" "$new")
  say "the plan of $stack is a new comment"
  output comment "$url"
  exit 0
fi

id=$(jq -r .id "$work/old")
jq -r .body "$work/old" >"$work/old.md"
old_hash=$(seen hash <"$work/old.md")
old_risk=$(seen risk <"$work/old.md")
if [[ -n $old_hash && $old_hash != "$hash" ]]; then
  # Whoever looked at the comment before sees that it says something else now.
  printf '\n_Changed since the last plan here: `%s` → `%s`._\n' \
    "${old_hash:7:12}" "${hash:7:12}" >>"$new"
fi

if [[ -n $old_risk ]] && ((risk < old_risk)); then
  url=$(forge_create "$pr" "$new")
  printf 'This plan of `%s` is out of date: a newer one, **with a higher risk**, is in a comment below.\n' \
    "$stack" >"$work/gone.md"
  forge_update "$pr" "$id" "$work/gone.md" >/dev/null
  say "the risk of $stack rose: the plan is a fresh comment"
else
  url=$(forge_update "$pr" "$id" "$new")
  say "the plan of $stack is in its comment"
fi
output comment "$url"
