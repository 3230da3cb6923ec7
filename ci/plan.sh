#!/usr/bin/env bash
# Plans once, and writes the plan in every form into a folder:
#
#   ci/plan.sh                    into lkh-plan/
#
#   plan.md             the comment (comment.sh)      plan.html     the page
#   plan.tfplan.json    for Checkov, OPA and the like; delta.tfplan.json: what changes alone
#   plan.json           the plan as it is saved       gitlab.json   GitLab's three counts
#   plan.txt            the text
#
# LKH_DIR, LKH_VAR_FILES (a file a line) and LKH_ARGS (options, split at spaces) say which
# stack. Ends with 0 where it could plan, also when there are changes, and with what lkh ends
# with where it could not, or where something is blocked: the files are there then as well.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

stack_options
rm -rf "$out"
mkdir -p "$out"
code=0
"$lkh" plan "${options[@]}" --detailed-exitcode \
  --format "markdown=$out/plan.md" --format "html=$out/plan.html" \
  --format "tfplan=$out/plan.tfplan.json" --format "tfplan-delta=$out/delta.tfplan.json" \
  --format "gitlab=$out/gitlab.json" --format "json=$out/plan.json" >"$out/plan.txt" || code=$?
cat "$out/plan.txt"
[[ -s $out/plan.md ]] || die "no plan could be made (exit code $code)"

# Whoever uploads the folder reads it as another user.
chmod -R a+rX "$out"
output hash "$(seen hash <"$out/plan.md")"
output risk "$(seen risk <"$out/plan.md")"
output stack "$(jq -r .stack "$out/plan.json")"
output changes "$( ((code == 2)) && echo true || echo false)"
# A step's summary takes a megabyte, and the comment has 60,000 bytes at most.
if [[ -n ${GITHUB_STEP_SUMMARY:-} ]]; then cat "$out/plan.md" >>"$GITHUB_STEP_SUMMARY"; fi
((code == 2)) && code=0
exit "$code"
