"""docs/production/deployment.md, walked as a newcomer walks it: its commands as they stand, from a bare host to an answer.

They run in namespaces of their own: what they write to /etc and /opt, and the ports they take, are seen by nobody else.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.system.server import ROOT
from tests.tools import missing, program

pytestmark = pytest.mark.system

PAGE = (ROOT / "docs/production/deployment.md").read_text()

# The host: /etc and /opt as they are, until somebody writes there.
_HOST = """set -euo pipefail
mount --make-rprivate /
mkdir -p {top}/etc {top}/work
mount -t overlay overlay -o lowerdir=/etc,upperdir={top}/etc,workdir={top}/work /etc
for folder in /opt /run /var/log /var/lib/nginx; do mount -t tmpfs tmpfs $folder; done
mkdir -p /var/log/nginx /run/assistant
export PATH={top}/bin:$PATH
cd {clone}
"""
# Installing needs the network and nothing else does; from here on this host has a loopback of its own.
_ALONE = """cat > {top}/rest.sh <<'REST'
set -euo pipefail
ip link set lo up
nginx
{rest}
REST
exec unshare --net bash {top}/rest.sh
"""
# What a host does that has systemd: it starts what the unit says, as the user it says, with the settings it says.
_SYSTEMCTL = """#!/usr/bin/env bash
set -euo pipefail
unit=/etc/systemd/system/assistant.service
of() {{ sed -n "s/^$1=//p" $unit; }}
case "$*" in
daemon-reload) systemd-analyze verify $unit ;;
"enable --now assistant")
    set -a; . "$(of EnvironmentFile)"; set +a
    cd "$(of WorkingDirectory)"
    umask "$(of UMask)"
    setpriv --reuid "$(of User)" --regid "$(of Group)" --clear-groups --no-new-privs --bounding-set=-all \\
        $(of ExecStart) > {top}/assistant.log 2>&1 & ;;
"reload nginx") nginx -s reload ;;
*) echo "systemctl $*: not walked" >&2; exit 1 ;;
esac
"""


def test_the_page_leads_from_a_bare_host_to_a_streamed_answer(tmp_path: Path) -> None:
    for name, package in {
        "nginx": "",
        "curl": "",
        "openssl": "",
        "ip": "iproute2",
        "systemd-analyze": "systemd",
    }.items():
        program(name, package)
    (tmp_path / "bin").mkdir()
    for name, text in {"systemctl": _SYSTEMCTL.format(top=tmp_path), "apt-get": "#!/bin/sh\n"}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    tmp_path.chmod(0o755)
    commands = re.findall(r"```sh\n(.*?)```", PAGE.partition("## Your own app")[0], re.S)
    here = {"top": tmp_path, "clone": ROOT}
    first, rest = "\n".join(commands[:3]), "\n".join(commands[3:])
    script = _HOST.format(**here) + first + _ALONE.format(rest=rest, **here)

    printed = _in_namespaces(script)

    assert '{"status":"ready"}retry: 2000\nid: 1-1\nevent: status\n' in printed
    _, _, doctor = printed.partition("event: complete")
    assert doctor.count("\n") == 3, doctor  # the rest of that event, and nothing that the doctor had to say
    assert not Path("/opt/assistant/wsgi.py").exists()  # this host was not touched


def _in_namespaces(script: str) -> str:
    """What the commands print, in mount and process namespaces; every one must succeed, and nothing of them lives on."""
    unshare = [program("unshare", "util-linux"), "--mount", "--pid", "--fork", "--kill-child"]
    if os.geteuid() or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        missing("namespaces are not to be had: run this test as root")
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("ASSISTANT_", "JWT_", "VIRTUAL"))
    }
    done = subprocess.run(
        [*unshare, "bash", "-c", script], env=clean, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
