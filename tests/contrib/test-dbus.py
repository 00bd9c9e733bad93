# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files that message bus and polkit read. What the bus makes of its policy: test-bus.c."""

import os
import re
import tempfile
import xml.etree.ElementTree as ElementTree

from tap import Skip, call, main, read, same, source

POLKITD = ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd")
POLKIT_DTD = "/usr/share/polkit-1/policyconfig-1.dtd"
ACTIONS = {"org.cvmseal1.manage": ("no", "no", "auth_admin_keep"),
           "org.cvmseal1.attest": ("no", "no", "auth_admin_keep")}


def ini(path):
    return re.findall(r"^(\w+)=(.*)$", read(path), flags=re.M)


def test_well_formed():
    for name in ("org.cvmseal1.xml", "org.cvmseal1.conf", "org.cvmseal1.policy"):
        code, text = call("xmllint", "--noout", "--nonet", source("dbus", name))
        same((code, text), (0, ""), name)


def test_interface():
    with tempfile.TemporaryDirectory() as folder:
        code, text = call("gdbus-codegen", "--interface-prefix", "org.cvmseal1.",
                          "--generate-c-code", "generated", source("dbus", "org.cvmseal1.xml"),
                          cwd=folder)
        same((code, text), (0, ""), "gdbus-codegen")
        assert os.path.getsize(os.path.join(folder, "generated.c")) > 0


def test_polkit_dtd():
    if not os.path.exists(POLKIT_DTD):
        raise Skip("polkit's DTD is not installed")
    code, text = call("xmllint", "--noout", "--nonet", "--dtdvalid", POLKIT_DTD,
                      source("dbus", "org.cvmseal1.policy"))
    same((code, text), (0, ""), "xmllint")


def test_polkit_actions():
    found = {}
    for action in ElementTree.parse(source("dbus", "org.cvmseal1.policy")).iter("action"):
        defaults = action.find("defaults")
        found[action.get("id")] = tuple(
            defaults.findtext(name) for name in ("allow_any", "allow_inactive", "allow_active"))
        assert action.findtext("description") and action.findtext("message")
    same(found, ACTIONS, "actions")


# A bus on which everything is allowed: it is polkit's reading that is looked at.
BUS = """<busconfig><type>system</type><listen>unix:path={0}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow send_type="method_call"/><allow send_requested_reply="true" send_type="method_return"/>
<allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/>
<allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
</policy></busconfig>"""

# In namespaces of its own, so that polkitd's folder can be covered and nothing outlives the test.
ASK_POLKIT = """set -e
mount -t tmpfs tmpfs /usr/share/polkit-1/actions
cp "$1" /usr/share/polkit-1/actions/
export DBUS_SYSTEM_BUS_ADDRESS="unix:path=$2/bus"
dbus-daemon --config-file="$2/bus.conf" --nopidfile --fork
"$3" --no-debug >/dev/null 2>&1 &
gdbus wait --system --timeout 20 org.freedesktop.PolicyKit1
exec pkaction --verbose"""


def test_polkitd_reads_them():
    daemon = next((path for path in POLKITD if os.path.exists(path)), None)
    if daemon is None:
        raise Skip("polkitd is not installed")
    if os.geteuid() != 0:
        raise Skip("needs root to start a polkitd")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        with open(os.path.join(folder, "bus.conf"), "w", encoding="utf-8") as file:
            file.write(BUS.format(folder))
        code, text = call("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                          "sh", "-c", ASK_POLKIT, "sh", source("dbus", "org.cvmseal1.policy"),
                          folder, daemon)
    same(code, 0, text)
    found = {}
    for block in text.strip().split("\n\n"):
        values = dict(re.findall(r"^\s+implicit (\w+):\s+(\w+)", block, flags=re.M))
        found[block.split(":", 1)[0]] = (values["any"], values["inactive"], values["active"])
    same(found, ACTIONS, "actions")


def test_actions_named_elsewhere_exist():
    for path in (source("dbus", "org.cvmseal1.xml"), source("contrib", "man", "cvmseal.1.in"),
                 source("contrib", "man", "cvmseald.8.in"),
                 source("contrib", "man", "org.cvmseal1.5.in")):
        named = set(re.findall(r"\borg\.cvmseal1\.([a-z]\w*)", read(path)))
        named -= {"xml", "conf", "policy", "service"}
        found = {"org.cvmseal1." + name for name in named}
        assert "org.cvmseal1.manage" in found and found <= set(ACTIONS), f"{path}: {found}"


def test_activation():
    activation = dict(ini(source("dbus", "org.cvmseal1.service")))
    unit = dict(ini(source("contrib", "systemd", activation["SystemdService"] + ".in")))
    same(activation["Name"], "org.cvmseal1", "Name")
    same(activation["User"], "root", "User")
    same(activation["Exec"], "/bin/false", "Exec")
    same(unit["BusName"], activation["Name"], "BusName")


main(globals())
