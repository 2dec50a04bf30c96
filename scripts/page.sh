# shellcheck shell=bash
# Building, weighing and serving the page; sourced by `lab` after setup.sh.

readonly DIST=web/dist
# What a visitor downloads before the first result, gzipped, without the dataset.
readonly PAGE_LIMIT_BYTES=700000
# What a dataset adds to it.
readonly DATASET_LIMIT_BYTES=500000
# The programs of the inference worker, gzipped: on the CPU evaluators and language models apart, and both on WebGPU, which only a
# browser with an adapter loads.
declare -rA INFERENCE_LIMIT_BYTES=([cpu]=1000000 [decoders]=1000000 [webgpu]=3500000)
# The compiler has optimised them. These passes make them smaller once they are gzipped too; `-O` and `-Oz` make them larger.
readonly INFERENCE_PASSES=(--dce --remove-unused-module-elements --duplicate-function-elimination --memory-packing --vacuum
  --optimize-instructions --code-folding --vacuum --strip-debug --strip-producers)

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
  # Its programs at once; Trunk would have each wait for the one before it.
  with_web_env cargo build --locked --profile web --target "$WASM_TARGET" -p poq-web --bins
  # Trunk refuses NO_COLOR=1, the form in which that variable is commonly set.
  with_web_env env -u NO_COLOR trunk build --release --cargo-profile web
  mv "$stamp.begun" "$stamp"
  weigh_page
}

# While it lies in the built page, scripts/serve.mjs answers for a file `inference-…` that is not there yet that it is on its way.
readonly INFERENCE_IS_BUILT=$DIST/inference.building

# The programs of the inference worker, into the built page: bundles of one crate, by feature. The one that another starts comes first.
build_inference() {
  local status=0
  say "building the programs that run models in the page: about 10 minutes the first time"
  { inference_bundle decoders decoders && inference_bundle cpu encoders && inference_bundle webgpu webgpu; } ||
    status=$?
  rm -f "$INFERENCE_IS_BUILT"
  return "$status"
}

# The same beside a page that is served meanwhile, whose Score place waits for them.
build_inference_beside() {
  : >"$INFERENCE_IS_BUILT"
  build_inference >&2 || say "the programs that run models in the page were not built; the rest of the page works" &
}

# inference_bundle KIND FEATURE: its failures are told by its status, for callers that go on without it.
inference_bundle() {
  local kind=$1 feature=$2 program=$POQ_CACHE/target-web/$WASM_TARGET/web/inference.wasm key bundle
  key=$(inference_key) || return 1
  bundle=$POQ_CACHE/target-web/inference-$kind/$key
  if ! [ -d "$bundle" ]; then
    # The core at full speed is for the simulator.
    with_web_env cargo build --locked --profile web --config 'profile.web.package.poq-core.opt-level="z"' \
      --target "$WASM_TARGET" -p poq-inference --features "$feature" || return 1
    rm -rf "${bundle%/*}"
    mkdir -p "$bundle.new"
    wasm-bindgen --target web --no-typescript --out-dir "$bundle.new" --out-name "inference-$kind" "$program" ||
      return 1
    wasm-opt "${INFERENCE_PASSES[@]}" --output "$bundle.new/inference-${kind}_bg.wasm" \
      "$bundle.new/inference-${kind}_bg.wasm" || return 1
    mv "$bundle.new" "$bundle"
  fi
  mkdir -p "$DIST"
  # Whoever asks for one gets it whole, and the program's first file comes last.
  local file
  for file in "inference-${kind}_bg.wasm" "inference-$kind.js"; do
    cp "$bundle/$file" "$DIST/.$file.part"
    mv "$DIST/.$file.part" "$DIST/$file"
  done
  weigh_inference "$kind"
}

# What the bundles are made of, as a hash: while it is the same they need not be built anew, in whatever checkout.
inference_key() {
  {
    with_web_env rustc --version --verbose
    wasm-bindgen --version
    wasm-opt --version
    find .cargo Cargo.toml Cargo.lock core/Cargo.toml core/src models/Cargo.toml models/src models/kernels models/reference pipeline \
      web/inference scripts/page.sh -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  } | sha256sum | cut -c 1-16
}

weigh_inference() {
  local kind=$1 size limit=${INFERENCE_LIMIT_BYTES[$1]}
  size=$(cat "$DIST/inference-$kind.js" "$DIST/inference-${kind}_bg.wasm" | gzip -9 -c | wc -c)
  printf '%10d  inference-%s, loaded on demand (at most %d)\n' "$size" "$kind" "$limit"
  if [ "$size" -gt "$limit" ]; then
    die "the program inference-$kind weighs $size bytes gzipped; at most $limit are allowed"
  fi
}

weigh_page() {
  local file size total=0
  printf '%10s  %s\n' "gzipped" "file"
  while IFS= read -r file; do
    size=$(gzip -9 -c "$file" | wc -c)
    total=$((total + size))
    printf '%10d  %s\n' "$size" "${file#"$DIST/"}"
  # What is loaded when the reader asks for it, and not before, is not counted.
  done < <(find "$DIST" -type f -not -path "$DIST/datasets/*" -not -name 'study-worker*' -not -name 'score*' \
    -not -name 'inference-*' | LC_ALL=C sort)
  local dataset
  for dataset in "$DIST"/datasets/*/; do
    size=$(for file in "$dataset"*; do gzip -9 -c "$file"; done | wc -c)
    printf '%10d  %s, where it is chosen (at most %d)\n' "$size" "${dataset#"$DIST/"}" "$DATASET_LIMIT_BYTES"
    if [ "$size" -gt "$DATASET_LIMIT_BYTES" ]; then
      die "$dataset weighs $size bytes gzipped; at most $DATASET_LIMIT_BYTES are allowed"
    fi
  done
  printf '%10d  total without the datasets (at most %d)\n' "$total" "$PAGE_LIMIT_BYTES"
  if [ "$total" -gt "$PAGE_LIMIT_BYTES" ]; then
    die "the page weighs $total bytes gzipped; at most $PAGE_LIMIT_BYTES are allowed"
  fi
}

# serve_page PORT BROWSER MODELS: until Ctrl-C. BROWSER, yes or no, is whether to open one where there is a display; MODELS, yes
# or no, whether the page can reach the weights in the cache.
serve_page() {
  local port=$1 browser=$2 models=$3 options=()
  if [ "$models" = yes ]; then
    options+=(--mount "models=$POQ_CACHE/models")
  fi
  if [ "$browser" = yes ] && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && have xdg-open; then
    options+=(--opener xdg-open)
  fi
  exec node scripts/serve.mjs "$DIST" "$port" "${options[@]}"
}
