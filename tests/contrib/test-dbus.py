# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files that message bus and polkit read. What the bus makes of its policy: test-bus.c."""

import os
import re
import tempfile
import xml.etree.ElementTree as ElementTree

from tap import Skip, call, main, read, same, source

POLKIT_DTD = "/usr/share/polkit-1/policyconfig-1.dtd"
ACTIONS = {"org.cvmseal1.manage": ("no", "no", "auth_admin_keep")}


def ini(path):
    return re.findall(r"^(\w+)=(.*)$", read(path), flags=re.M)


def test_well_formed():
    for name in ("org.cvmseal1.xml", "org.cvmseal1.conf", "org.cvmseal1.policy"):
        code, text = call("xmllint", "--noout", "--nonet", source("dbus", name))
        same((code, text), (0, ""), name)


def test_interface():
    with tempfile.TemporaryDirectory() as folder:
        code, text = call("gdbus-codegen", "--interface-prefix", "org.cvmseal1.", "--generate-c-code",
                          "generated", source("dbus", "org.cvmseal1.xml"), cwd=folder)
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


def test_actions_named_elsewhere_exist():
    for path in (source("dbus", "org.cvmseal1.xml"), source("contrib", "man", "cvmseal.1.in"),
                 source("contrib", "man", "cvmseald.8.in"),
                 source("contrib", "man", "org.cvmseal1.5.in")):
        named = set(re.findall(r"\borg\.cvmseal1\.([a-z]\w*)", read(path)))
        named -= {"xml", "conf", "policy", "service"}
        same(sorted("org.cvmseal1." + name for name in named), sorted(ACTIONS), path)


def test_activation():
    activation = dict(ini(source("dbus", "org.cvmseal1.service")))
    unit = dict(ini(source("contrib", "systemd", activation["SystemdService"] + ".in")))
    same(activation["Name"], "org.cvmseal1", "Name")
    same(activation["User"], "root", "User")
    same(activation["Exec"], "/bin/false", "Exec")
    same(unit["BusName"], activation["Name"], "BusName")


main(globals())
