# shellcheck shell=bash
# Building, weighing and serving the page; sourced by `lab` after setup.sh.

readonly DIST=web/dist
# What a visitor downloads before the first result, gzipped, without the dataset.
readonly PAGE_LIMIT_BYTES=700000

# The mark of this checkout's last good build, as old as that build's start: a file changed meanwhile is newer.
page_stamp() { printf '%s/target-web/page-%s' "$POQ_CACHE" "$(printf '%s' "$POQ_ROOT" | sha256sum | cut -c 1-16)"; }

# Whether web/dist was built from what the checkout now holds.
page_is_current() {
  local stamp
  stamp=$(page_stamp)
  [ -f "$DIST/index.html" ] && [ -f "$stamp" ] || return 1
  [ -z "$(find .cargo Cargo.toml Cargo.lock Trunk.toml core static web tests/browser/package-lock.json scripts/page.sh \
    -path "$DIST" -prune -o -not -path web -newer "$stamp" -print -quit)" ]
}

build_page() {
  local stamp
  stamp=$(page_stamp)
  say "building the page: about 3 minutes the first time"
  mkdir -p "${stamp%/*}"
  rm -f "$stamp"
  touch "$stamp.begun"
  # Trunk refuses NO_COLOR=1, the form in which that variable is commonly set.
  with_web_env env -u NO_COLOR trunk build --release --cargo-profile web
  mv "$stamp.begun" "$stamp"
  weigh_page
}

weigh_page() {
  local file size total=0
  printf '%10s  %s\n' "gzipped" "file"
  while IFS= read -r file; do
    size=$(gzip -9 -c "$file" | wc -c)
    total=$((total + size))
    printf '%10d  %s\n' "$size" "${file#"$DIST/"}"
  # The study worker is loaded when the reader asks for it, and not before.
  done < <(find "$DIST" -type f -not -path "$DIST/dataset/*" -not -name 'study-worker*' | LC_ALL=C sort)
  printf '%10d  total without the dataset (at most %d)\n' "$total" "$PAGE_LIMIT_BYTES"
  if [ "$total" -gt "$PAGE_LIMIT_BYTES" ]; then
    die "the page weighs $total bytes gzipped; at most $PAGE_LIMIT_BYTES are allowed"
  fi
}

# serve_page PORT BROWSER: until Ctrl-C. BROWSER, yes or no, is whether to open one where there is a display.
serve_page() {
  local port=$1 browser=$2 opener=()
  if [ "$browser" = yes ] && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && have xdg-open; then
    opener=(xdg-open)
  fi
  exec node scripts/serve.mjs "$DIST" "$port" "${opener[@]}"
}
