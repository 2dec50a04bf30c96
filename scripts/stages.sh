# shellcheck shell=bash
# Timed, named stages whose output is shown live and kept, and the closing report; sourced by `lab` after setup.sh.

STAGE_LOGS=
STAGE_NAMES=()
STAGE_SECONDS=()
STAGE_RUNNING=
STAGE_BEGUN=0

begin_stages() {
  mkdir -p "$POQ_CACHE/logs"
  STAGE_LOGS=$(mktemp -d "$POQ_CACHE/logs/test.XXXXXX")
  trap 'report_stages $?' EXIT
}

begin_stage() {
  STAGE_RUNNING=$1
  STAGE_BEGUN=$SECONDS
  printf '\n=== %s\n' "$1"
}

end_stage() {
  STAGE_NAMES+=("$STAGE_RUNNING")
  STAGE_SECONDS+=($((SECONDS - STAGE_BEGUN)))
  printf '=== %s: %d s\n' "$STAGE_RUNNING" "${STAGE_SECONDS[-1]}"
  STAGE_RUNNING=
}

# stage NAME COMMAND...: ends the script with the command's status where that is not 0.
stage() {
  local name=$1 status
  shift
  begin_stage "$name"
  # Not `if "$@"`: within a condition, bash would go on after a failed line of a function.
  set +e
  (
    set -e
    exec 8>&-
    "$@"
  ) 2>&1 | tee "$STAGE_LOGS/$name.log"
  status=${PIPESTATUS[0]}
  set -e
  [ "$status" -eq 0 ] || exit "$status"
  end_stage
}

# The test runners' own closing lines, then their sum alone on the last line.
report_tests() {
  local stage
  for stage in "${STAGE_NAMES[@]}" "$STAGE_RUNNING"; do
    if [ -f "$STAGE_LOGS/$stage.log" ]; then
      cat "$STAGE_LOGS/$stage.log"
    fi
  done | awk '
    /^test result: / {
      print
      for (i = 2; i <= NF; i++) {
        if ($i == "passed;") passed += $(i - 1)
        if ($i == "failed;") failed += $(i - 1)
      }
      seen = 1
    }
    /^(ℹ|#) (tests|pass|fail|cancelled|skipped|todo) [0-9]+$/ { print }
    /^(ℹ|#) pass [0-9]+$/ { passed += $3; seen = 1 }
    /^(ℹ|#) (fail|cancelled) [0-9]+$/ { failed += $3; seen = 1 }
    END { if (seen) printf "%d passed, %d failed\n", passed, failed }
  '
}

report_stages() {
  local status=$1 i
  trap - EXIT
  printf '\n%-14s %8s\n' stage seconds
  for i in "${!STAGE_NAMES[@]}"; do
    printf '%-14s %8d\n' "${STAGE_NAMES[i]}" "${STAGE_SECONDS[i]}"
  done
  if [ -n "$STAGE_RUNNING" ]; then
    printf '%-14s %8d  FAILED\n' "$STAGE_RUNNING" $((SECONDS - STAGE_BEGUN))
  fi
  printf '%-14s %8d\n\n' total "$SECONDS"
  if [ "$status" -ne 0 ]; then
    say "FAILED in stage '$STAGE_RUNNING' (status $status); its output is kept in $STAGE_LOGS"
  fi
  report_tests
  if [ "$status" -eq 0 ]; then
    rm -rf "$STAGE_LOGS"
  fi
  exit "$status"
}
