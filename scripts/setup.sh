# shellcheck shell=bash
# The set-up that the commands of `lab` share; sourced, never run. Every `ensure_*` is quick when nothing is missing.
# All that is fetched or built goes to the cache, never into the checkout.

readonly TRUNK_VERSION=0.21.14
readonly NODE_MAJOR_MIN=20
readonly WASM_TARGET=wasm32-unknown-unknown
readonly DEBIAN_TOOLCHAIN=debian-web

POQ_CACHE=${POQ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/poq-lab}
mkdir -p "$POQ_CACHE"
POQ_CACHE=$(cd "$POQ_CACHE" && pwd)
export POQ_CACHE

say() { printf 'lab: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Two set-ups at once would install over each other.
lock_setup() {
  have flock || return 0
  exec 9>"$POQ_CACHE/setup.lock"
  if ! flock -n 9; then
    say "waiting for another lab command to finish its set-up"
    flock 9
  fi
}

# Before any long-running child, which would inherit the lock.
unlock_setup() {
  have flock || return 0
  exec 9>&-
}

# Two checkouts that test at once would build over each other: the cache keeps one build of each crate. It is held to the
# end of this shell; stages do not inherit it.
lock_builds() {
  have flock || return 0
  exec 8>"$POQ_CACHE/builds.lock"
  if ! flock -n 8; then
    say "waiting for another 'lab test' to finish"
    flock -w 3600 8 || say "it has not finished in an hour; going on beside it"
  fi
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif have sudo; then
    sudo "$@"
  else
    die "this needs root, and there is no sudo; as root, run: $*"
  fi
}

APT_UPDATED=no
# need_apt WHAT PACKAGE...: installs Debian packages, or says what is missing where there is no apt-get.
need_apt() {
  local what=$1
  shift
  have apt-get || die "missing: $what. Install it with this system's package manager (on Debian: $*) and run this again."
  [ "$(id -u)" -eq 0 ] || have sudo || die "missing: $what, and there is no sudo. As root, run: apt-get install $*"
  say "installing $what with apt-get ($*), about a minute"
  if [ "$APT_UPDATED" = no ]; then
    as_root apt-get update -qq >&2 || say "apt-get update failed; going on with the package lists that are here"
    APT_UPDATED=yes
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$@" >&2 ||
    die "apt-get could not install: $*"
}

version_at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

ensure_c_compiler() {
  if ! have cc || ! have c++; then
    need_apt "a C and C++ compiler" build-essential
  fi
}

ensure_rust() {
  if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH="$HOME/.cargo/bin:$PATH"
  fi
  have cargo || die "missing: Rust. Install it with rustup (https://rustup.rs) and run this again."
  local wanted found
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$POQ_ROOT/Cargo.toml")
  found=$(rustc --version | cut -d ' ' -f 2)
  version_at_least "$found" "$wanted" ||
    die "Rust $wanted or newer is needed and this is $found; with rustup: rustup update stable"
  ensure_c_compiler
}

# rustup waits for many minutes on a server that is out of reach.
rustup_within_two_minutes() {
  have rustup || return 1
  RUSTUP_MAX_RETRIES=0 RUSTUP_DOWNLOAD_TIMEOUT=30 timeout --kill-after=10 120 rustup "$@" >&2
}

# ensure_cargo_command COMMAND COMPONENT: `cargo fmt` and `cargo clippy` are not in rustup's minimal profile.
ensure_cargo_command() {
  cargo "$1" --version >/dev/null 2>&1 && return
  say "adding rustup's $2"
  rustup_within_two_minutes component add "$2" || die "missing: cargo $1; with rustup: rustup component add $2"
}

has_wasm_std() {
  local sysroot
  sysroot=$(rustc --print sysroot) || return 1
  compgen -G "$sysroot/lib/rustlib/$WASM_TARGET/lib/libstd-*.rlib" >/dev/null
}

# An interrupted `rustup target add` may leave files that rustup does not know of and later trips over.
remove_partial_wasm_std() {
  local rustlib
  rustlib=$(rustc --print sysroot)/lib/rustlib
  if [ -f "$rustlib/components" ] && ! grep -q "rust-std-$WASM_TARGET" "$rustlib/components"; then
    rm -rf "${rustlib:?}/$WASM_TARGET" "$rustlib/manifest-rust-std-$WASM_TARGET"
  fi
}

readonly DEBIAN_STD=/usr/lib/rustlib/$WASM_TARGET

# The library fits only the compiler that built it, and apt may have replaced that one since.
debian_std_is_current() {
  [ -x /usr/bin/rustc ] && [ -f "$DEBIAN_STD/poq-lab-rustc" ] &&
    [ "$(cat "$DEBIAN_STD/poq-lab-rustc")" = "$(/usr/bin/rustc --version)" ]
}

link_debian_toolchain() {
  if ! rustup toolchain list | grep -q "^$DEBIAN_TOOLCHAIN\b"; then
    rustup toolchain link "$DEBIAN_TOOLCHAIN" /usr >&2
  fi
}

need_debian_rust() {
  if ! [ -L /usr/bin/rust-lld ] || ! [ -d /usr/lib/rustlib/src/rust ] || ! [ -x /usr/bin/cargo ]; then
    need_apt "Debian's Rust for the web" rustc-web cargo-web rust-web-src rust-web-llvm
  fi
  # The linker is a link into a package (named like the program, as lld-22) that is only recommended, not required.
  if ! [ -e /usr/bin/rust-lld ]; then
    need_apt "Debian's linker for wasm" "$(basename "$(readlink /usr/bin/rust-lld)")"
  fi
}

build_debian_std() {
  local build=$POQ_CACHE/debian-web-std staging=$DEBIAN_STD.new file
  say "building Rust's standard library for wasm from Debian's source, about 2 minutes"
  rm -rf "$build"
  mkdir -p "$build/src"
  printf '[package]\nname = "poq-lab-std-probe"\nedition = "2021"\n[workspace]\n' >"$build/Cargo.toml"
  : >"$build/src/lib.rs"
  # Without bitcode in the library, `lto = true` fails later.
  (cd "$build" && RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes CARGO_TARGET_DIR="$build/target" \
    cargo "+$DEBIAN_TOOLCHAIN" build --release --target "$WASM_TARGET" -Zbuild-std=std,panic_abort,test >&2) ||
    die "the standard library for wasm did not build"
  as_root rm -rf "$staging"
  as_root mkdir -p "$staging/lib"
  for file in "$build/target/$WASM_TARGET/release/deps"/lib*.rlib; do
    case ${file##*/} in
      libpoq_lab_std_probe-*) ;;
      *) as_root cp "$file" "$staging/lib/" ;;
    esac
  done
  /usr/bin/rustc --version | as_root tee "$staging/poq-lab-rustc" >/dev/null
  as_root rm -rf "$DEBIAN_STD"
  as_root mv "$staging" "$DEBIAN_STD"
  # What was built against the replaced library does not link with this one.
  rm -rf "$build" "$POQ_CACHE/target-web/$WASM_TARGET"
}

# Sets WEB_TOOLCHAIN: empty where the default toolchain builds for wasm, else the rustup name of the one that does.
WEB_TOOLCHAIN=
ensure_wasm_target() {
  # POQ_WEB_TOOLCHAIN chooses the toolchain by hand, to try the fallback where rustup does have the target.
  local forced=${POQ_WEB_TOOLCHAIN:-}
  if [ -z "$forced" ]; then
    if has_wasm_std; then
      return
    fi
    if ! debian_std_is_current; then
      say "adding Rust's $WASM_TARGET target with rustup, at most 2 minutes"
      if rustup_within_two_minutes target add "$WASM_TARGET" && has_wasm_std; then
        return
      fi
      remove_partial_wasm_std
      have rustup || die "missing: the Rust target $WASM_TARGET; install it for this toolchain"
      have apt-get || die "rustup could not bring $WASM_TARGET; check the connection and run: rustup target add $WASM_TARGET"
      say "rustup could not bring the target; falling back to Debian's own Rust packages"
    fi
  elif [ "$forced" != "$DEBIAN_TOOLCHAIN" ]; then
    WEB_TOOLCHAIN=$forced
    return
  fi
  need_debian_rust
  link_debian_toolchain
  debian_std_is_current || build_debian_std
  WEB_TOOLCHAIN=$DEBIAN_TOOLCHAIN
}

ensure_web_clippy() {
  if [ "$WEB_TOOLCHAIN" = "$DEBIAN_TOOLCHAIN" ]; then
    [ -x /usr/bin/cargo-clippy ] || need_apt "clippy for Debian's Rust" rust-web-clippy
  else
    ensure_cargo_command clippy clippy
  fi
}

# cargo_install CRATE VERSION DURATION FLAG...: into the cache; its build directory is kept until it succeeds, so that an
# interrupted install goes on where it was.
cargo_install() {
  local crate=$1 version=$2 duration=$3
  shift 3
  say "building $crate $version, $duration, once"
  local build=$POQ_CACHE/tools-build
  # The crate's own lock file is what its authors built with; where a registry no longer has it all, newer will do.
  CARGO_TARGET_DIR=$build cargo install "$crate" --version "$version" --root "$POQ_CACHE/tools" --locked "$@" >&2 ||
    CARGO_TARGET_DIR=$build cargo install "$crate" --version "$version" --root "$POQ_CACHE/tools" "$@" >&2 ||
    die "could not install $crate $version"
  rm -rf "$build"
}

# tool_is NAME VERSION: whether the PATH's tool has just this version.
tool_is() { [ "$("$1" --version 2>/dev/null | cut -d ' ' -f 2)" = "$2" ]; }

ensure_page_tools() {
  case :$PATH: in
    *:"$POQ_CACHE/tools/bin":*) ;;
    *) PATH="$POQ_CACHE/tools/bin:$PATH" ;;
  esac
  tool_is trunk "$TRUNK_VERSION" ||
    cargo_install trunk "$TRUNK_VERSION" "about 7 minutes on two cores" --debug --no-default-features --features rustls
  # It must equal the crate that the page is built with.
  local bindgen
  bindgen=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"$/\1/p;}' "$POQ_ROOT/Cargo.lock")
  [ -n "$bindgen" ] || die "Cargo.lock names no wasm-bindgen"
  tool_is wasm-bindgen "$bindgen" ||
    cargo_install wasm-bindgen-cli "$bindgen" "about 3 minutes on two cores"
}

node_is_new_enough() {
  local major
  major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p')
  [ -n "$major" ] && [ "$major" -ge "$NODE_MAJOR_MIN" ]
}

ensure_node() {
  if ! have node || ! have npm; then
    need_apt "Node.js with npm" nodejs npm
  fi
  node_is_new_enough && return
  # Debian 12 has Node.js 18; npm carries newer ones as packages.
  local runtime=$POQ_CACHE/node/runtime arch
  case $(uname -m) in
    x86_64) arch=x64 ;;
    aarch64) arch=arm64 ;;
    *) die "Node.js $NODE_MAJOR_MIN or newer is needed and this is $(node --version)" ;;
  esac
  local package=node-linux-$arch
  if ! [ -x "$runtime/node_modules/$package/bin/node" ]; then
    say "Node.js here is $(node --version); fetching version 22 for the lab alone, about half a minute"
    mkdir -p "$runtime"
    npm install --prefix "$runtime" --no-save --no-audit --no-fund --loglevel=error --ignore-scripts "$package@22" >&2 ||
      die "could not fetch Node.js; install version $NODE_MAJOR_MIN or newer"
  fi
  PATH="$runtime/node_modules/$package/bin:$PATH"
  node_is_new_enough || die "Node.js $NODE_MAJOR_MIN or newer is needed and this is $(node --version)"
}

# npm_packages FOLDER: those of its package-lock.json, in the cache, and the link by which `import` in the folder finds them.
# Sets NPM_MODULES to where they are.
NPM_MODULES=
npm_packages() {
  local source=$POQ_ROOT/$1 key
  key=$(cat "$source/package.json" "$source/package-lock.json" | sha256sum | cut -c 1-16)
  NPM_MODULES=$POQ_CACHE/node/$key/node_modules
  if ! [ -d "$NPM_MODULES" ]; then
    say "fetching the npm packages of $1, about half a minute"
    local staging=$POQ_CACHE/node/$key.new
    rm -rf "$staging"
    mkdir -p "$staging"
    cp "$source/package.json" "$source/package-lock.json" "$staging/"
    npm ci --prefix "$staging" --no-audit --no-fund --loglevel=error --ignore-scripts >&2 ||
      die "npm could not fetch the packages of $1/package-lock.json"
    rm -rf "${NPM_MODULES%/*}"
    mv "$staging" "${NPM_MODULES%/*}"
  fi
  if [ -L "$source/node_modules" ] || ! [ -e "$source/node_modules" ]; then
    ln -sfn "$NPM_MODULES" "$source/node_modules"
  fi
}

# wasm-opt for the build; the browser driver for the tests.
ensure_node_packages() {
  ensure_node
  npm_packages tests/browser
  PATH="$NPM_MODULES/.bin:$PATH"
}

# What models in the page are set beside, for the benchmark alone. Its package.json puts a small package in the place of two
# that work in Node.js only, and are large.
ensure_bench_packages() {
  ensure_node
  npm_packages benches/inference
}

ensure_chromium() {
  local name
  if [ -z "${CHROMIUM:-}" ]; then
    for name in chromium chromium-browser google-chrome; do
      if have "$name"; then
        CHROMIUM=$(command -v "$name")
        break
      fi
    done
  fi
  if [ -z "${CHROMIUM:-}" ]; then
    need_apt "Chromium" chromium
    CHROMIUM=$(command -v chromium)
  fi
  export CHROMIUM
}

# A GPU for native tests: the machine's own, or Mesa's, which computes on the CPU. A Mac has Metal.
ensure_vulkan() {
  [ "$(uname -s)" != Darwin ] || return 0
  if ! compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null ||
    ! python3 -c 'import ctypes; ctypes.CDLL("libvulkan.so.1")' 2>/dev/null; then
    need_apt "Vulkan, with a GPU that is emulated" libvulkan1 mesa-vulkan-drivers
  fi
}

# The model weights are fetched with pip.
ensure_pip() {
  if ! have python3 || ! python3 -m pip --version >/dev/null 2>&1; then
    need_apt "Python with pip" python3 python3-pip
  fi
}

# For the benchmarks alone, each in an environment of its own: python_packages NAME PIP_ARGUMENT... makes it in the cache.
python_packages() {
  local environment=$POQ_CACHE/$1
  shift
  python3 -m venv "$environment" 2>/dev/null || {
    need_apt "Python's venv" python3-venv
    python3 -m venv "$environment"
  }
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2 || die "pip could not install: $*"
}

ensure_numpy() {
  if ! "$POQ_CACHE/numpy/bin/python" -c 'import numpy' >/dev/null 2>&1; then
    say "fetching NumPy, about half a minute"
    python_packages numpy numpy
  fi
}

# llama.cpp, for the benchmarks alone. Pinned, as what is set beside it changes with it.
ensure_llama() {
  if ! "$POQ_CACHE/llama/bin/python" -c 'import xllamacpp' >/dev/null 2>&1; then
    say "fetching llama.cpp, about half a minute"
    python_packages llama xllamacpp==2026.10.11549
  fi
}

# MiniLM as ONNX, in the cache, from the weights that `poq models fetch` brought.
ensure_onnx() {
  local source=$POQ_ROOT/benches/inference key model=all-minilm-l6-v2
  key=$(cat "$source/onnx_minilm.py" "$source/requirements.txt" | sha256sum | cut -c 1-16)
  [ -f "$POQ_CACHE/onnx/$key" ] && return
  if ! "$POQ_CACHE/onnx-python/bin/python" -c 'import numpy, onnx, onnxruntime, tokenizers' >/dev/null 2>&1; then
    say "fetching the Python packages onnx and onnxruntime, about half a minute"
    python_packages onnx-python -r "$source/requirements.txt"
  fi
  rm -rf "$POQ_CACHE/onnx"
  "$POQ_CACHE/onnx-python/bin/python" "$source/onnx_minilm.py" "$POQ_CACHE/models/$model" "$POQ_CACHE/onnx/$model" ||
    die "MiniLM could not be written as ONNX"
  touch "$POQ_CACHE/onnx/$key"
}

ensure_for_page() {
  ensure_rust
  ensure_wasm_target
  ensure_node_packages
  ensure_page_tools
}

# with_web_env COMMAND...: runs a command with the toolchain and the target directory of the page.
with_web_env() {
  if [ -n "$WEB_TOOLCHAIN" ]; then
    CARGO_TARGET_DIR=$POQ_CACHE/target-web RUSTUP_TOOLCHAIN=$WEB_TOOLCHAIN "$@"
  else
    CARGO_TARGET_DIR=$POQ_CACHE/target-web "$@"
  fi
}

with_native_env() { CARGO_TARGET_DIR=$POQ_CACHE/target "$@"; }
