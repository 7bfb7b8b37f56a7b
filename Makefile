# Everything that is done with this checkout. `make` lists it.

PREFIX  = /opt/f2b
CONFIG  = /etc/f2b
LOCAL   = /usr/local
DESTDIR =
WHEELS  = dist

# The distribution's python3 comes first: the journal's own library (python3-systemd) is there.
PYTHON := $(firstword $(wildcard /usr/bin/python3) python3)
PYTEST  = .venv/bin/python -m pytest
TREE    = $(DESTDIR)$(PREFIX)
UNITS   = $(DESTDIR)$(LOCAL)/lib/systemd/system/f2b.service $(DESTDIR)$(LOCAL)/lib/systemd/system/f2b.socket \
          $(DESTDIR)$(LOCAL)/lib/systemd/system/f2b-root.socket $(DESTDIR)$(LOCAL)/lib/systemd/system/f2b-root@.service \
          $(DESTDIR)$(LOCAL)/lib/sysusers.d/f2b.conf $(DESTDIR)$(LOCAL)/lib/tmpfiles.d/f2b.conf \
          $(DESTDIR)$(LOCAL)/lib/systemd/catalog/f2b.catalog
MANUALS = $(foreach page,$(wildcard man/*.[1-8]),$(DESTDIR)$(LOCAL)/share/man/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))
# What is installed below $(CONFIG), as seen from etc/.
CONFFILES = find . -type f -name '*.conf' ! -path './systemd/*' ! -path './container/*' ! -path './completion/*'
BOOTED  = [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]

SHELL = /bin/sh
.SHELLFLAGS = -euc
.ONESHELL:
.DELETE_ON_ERROR:
.PHONY: help setup demo test check check-kernel check-kernels bench wheels install uninstall clean

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | expand -t 16

setup: .cache/packages.done .venv/test.done  ## bring what the tests need: system packages, .venv, f2b

demo: .cache/packages.done .venv/run.done  ## watch f2b ban a real attacker, in namespaces of its own (root, a minute)
	@demo/run

test: root setup  ## the whole test-suite (root)
	@$(PYTEST)

check: setup  ## linters, types, import contracts, and the tests that need no root
	@$(PYTEST) -m "not root"

check-kernel: root setup  ## the tests that need the kernel: network namespaces, the real daemon (root)
	@$(PYTEST) -m root

check-kernels: root setup  ## the firewall in kernels that do not run here, in qemu; prints README's table (root, an hour)
	@[ -x /usr/bin/qemu-system-x86_64 ] && [ -x /usr/sbin/depmod ] ||
	    apt-get -qq install --no-install-recommends qemu-system-x86 kmod
	.venv/bin/python -m tests.kernels.check

bench: root setup  ## measure f2b, fail2ban and the floors: a table, and tests/bench/bench.json (root, half an hour)
	@.venv/bin/python -m tests.bench --quick --record
	.venv/bin/python -m tests.bench --record

clean:  ## remove what setup and the tests left in this checkout
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist f2b.egg-info
	find . -name __pycache__ -type d -prune -exec rm -r {} +

.PHONY: root python
root:
	@[ "$$(id -u)" = 0 ] || { echo "this needs root: network namespaces and a private journald (make check does not)" >&2; exit 1; }

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
	    { echo "f2b needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) -V 2>&1) (make PYTHON=/path/to/python3)" >&2; exit 1; }

.cache/packages.done: .ci/packages
	@.ci/packages .cache
	touch $@

.venv/run.done: setup.cfg setup.py .cache/packages.done | python
	@$(PYTHON) -m venv --system-site-packages .venv
	pip="$$PWD/.venv/bin/python -m pip install --quiet --disable-pip-version-check --use-pep517"
	$$pip --only-binary hyperscan --editable '.[fast]' 2>/dev/null || $$pip --editable .  # hyperscan has no wheel for every machine
	touch $@

.venv/test.done: .venv/run.done
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --use-pep517 --editable '.[test]'
	touch $@

# Installing. A file below $(CONFIG) that was changed there is kept, and ours is put beside it as FILE.new; *.local files
# and files of other names are never touched. $(PREFIX)/share/etc remembers how we shipped each file.

wheels: | python  ## dist/: what install needs offline (then: PIP_NO_INDEX=1 PIP_FIND_LINKS=dist make install)
	@.ci/packages
	venv=$$(mktemp -d); trap 'rm -rf "$$venv"' EXIT
	$(PYTHON) -m venv --system-site-packages "$$venv"
	"$$venv/bin/python" -m pip --quiet --disable-pip-version-check wheel --wheel-dir $(WHEELS) \
	    $$(sed -n '/^install_requires/,/^$$/{/systemd-python/d;s/^ *\([a-z0-9-]*\) >= \(.*\)/\1>=\2/p}' setup.cfg) setuptools wheel
	"$$venv/bin/python" -m pip --quiet --disable-pip-version-check wheel --wheel-dir $(WHEELS) --only-binary :all: \
	    "$$(sed -n '/^fast =/{n;s/ //gp}' setup.cfg)" 2>/dev/null || echo "no hyperscan for this machine: f2b does without" >&2

install: | python  ## /opt/f2b, /usr/local/bin/f2b, /etc/f2b, the systemd unit, the man pages (root)
	@umask 022
	.ci/packages
	[ ! -e "$(TREE)" ] || [ -e "$(TREE)/pyvenv.cfg" ] || { echo "$(TREE) is there and not ours: choose another PREFIX" >&2; exit 1; }
	source=$$(mktemp -d); trap 'rm -rf "$$source"' EXIT
	cp -r setup.cfg setup.py README.md LICENSE f2b "$$source"
	$(PYTHON) -m venv --system-site-packages "$(TREE)"
	pip="$(TREE)/bin/python -m pip install --quiet --disable-pip-version-check --use-pep517"
	$$pip --only-binary hyperscan "$$source[fast]" 2>/dev/null || $$pip "$$source"  # hyperscan has no wheel for every machine
	[ -z "$(DESTDIR)" ] || grep -rlIF "$(DESTDIR)" "$(TREE)/bin" "$(TREE)/pyvenv.cfg" | xargs -r sed -i 's|$(DESTDIR)||g'
	install -d "$(DESTDIR)$(LOCAL)/bin" "$(DESTDIR)$(CONFIG)/jail.d"
	ln -sfn "$(PREFIX)/bin/f2b" "$(DESTDIR)$(LOCAL)/bin/f2b"
	(cd etc && $(CONFFILES)) | while read -r file; do
	    ours="etc/$$file" theirs="$(DESTDIR)$(CONFIG)/$${file#./}" shipped="$(TREE)/share/etc/$$file"
	    if [ ! -e "$$theirs" ] || cmp -s "$$theirs" "$$shipped"; then
	        install -D -m 644 "$$ours" "$$theirs"
	    elif ! cmp -s "$$theirs" "$$ours" && ! cmp -s "$$ours" "$$shipped"; then
	        install -D -m 644 "$$ours" "$$theirs.new"
	        echo "kept your $$theirs; ours is $$theirs.new"
	    fi
	    install -D -m 644 "$$ours" "$$shipped"
	done
	for page in $(MANUALS); do install -D -m 644 "man/$${page##*/}" "$$page"; done
	install -D -m 644 -t "$(TREE)/share/f2b.service.d" etc/systemd/f2b.service.d/*.conf
	set -- etc/systemd/f2b.service etc/systemd/f2b.socket etc/systemd/f2b-root.socket etc/systemd/f2b-root@.service \
	    etc/systemd/f2b.sysusers etc/systemd/f2b.tmpfiles etc/systemd/f2b.catalog
	for file in $(UNITS); do
	    install -D -m 644 "$$1" "$$file"
	    sed -i 's|/opt/f2b/|$(PREFIX)/|' "$$file"
	    shift
	done
	if $(BOOTED); then
	    systemd-sysusers "$(LOCAL)/lib/sysusers.d/f2b.conf"
	    systemd-tmpfiles --create "$(LOCAL)/lib/tmpfiles.d/f2b.conf"
	    journalctl --update-catalog
	    systemctl daemon-reload
	    echo "f2b is installed. Start it now and at every boot:  systemctl enable --now f2b"
	fi

uninstall:  ## take the wall down and remove what install put there; your files in /etc/f2b and /var/lib/f2b stay (root)
	@if $(BOOTED); then systemctl --quiet disable --now f2b.service f2b.socket f2b-root.socket 2>/dev/null || true; fi
	if [ -z "$(DESTDIR)" ] && [ -x "$(TREE)/bin/f2b" ]; then
	    "$(TREE)/bin/f2b" flush || echo "the wall may still stand: see \`nft list tables\`" >&2
	fi
	if [ -d "$(TREE)/share/etc" ]; then
	    (cd "$(TREE)/share/etc" && find . -type f) | while read -r file; do
	        theirs="$(DESTDIR)$(CONFIG)/$${file#./}"
	        if cmp -s "$$theirs" "$(TREE)/share/etc/$$file"; then rm -f "$$theirs"; fi
	        rm -f "$$theirs.new"
	    done
	    [ ! -d "$(DESTDIR)$(CONFIG)" ] || find "$(DESTDIR)$(CONFIG)" -depth -type d -empty -delete
	    rm -rf "$(TREE)"
	fi
	rm -f "$(DESTDIR)$(LOCAL)/bin/f2b" "$(DESTDIR)/var/lib/f2b/sieve" $(UNITS) $(MANUALS)
	if $(BOOTED); then journalctl --update-catalog; systemctl daemon-reload; fi
