# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual pages: clean, and in step with the sources whose tables they repeat.

The first argument is the program that prints the tables of base/error.h."""

import os
import re
import sys
import xml.etree.ElementTree as ElementTree

from tap import Skip, build, call, main, read, same, source

PAGES = ["cvmseal.1", "cvmseal.claims.5", "cvmseal.policy.5", "cvmseald.8", "org.cvmseal1.5"]
CLI = build("sealer", "ctl", "cvmseal")
DAEMON = build("sealer", "service", "cvmseald")


def plain(text):
    """roff without fonts and escapes."""
    return re.sub(r"\\f.", "", text).replace("\\-", "-").replace("\\(dq", '"')


def page(name):
    return plain(read(build("contrib", name)))


def section(text, title):
    found = re.search(rf"^\.S[HS] {re.escape(title)}\n(.*?)(?=^\.S[HS] |\Z)", text,
                      flags=re.M | re.S)
    assert found, f"no section {title}"
    return found.group(1)


def entries(text):
    """The .TP entries of a section: (heading line, text)."""
    parts = re.split(r"^\.TP\n", text, flags=re.M)[1:]
    return [tuple(part.split("\n", 1)) for part in parts]


def joined(text):
    lines = [line for line in text.splitlines() if not line.startswith('.\\"')]
    return " ".join(" ".join(lines).split())


def table(kind):
    code, text = call(sys.argv[1])
    same(code, 0, "dump-tables")
    lines = [line.split("\t") for line in text.splitlines()]
    return [line[1:] for line in lines if line[0] == kind]


def sentence(text):
    return (text if text.startswith("0x") else text[0].upper() + text[1:]) + "."


def test_lint():
    for name in PAGES:
        code, text = call("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z",
                          build("contrib", name),
                          env=dict(os.environ, LC_ALL="C.UTF-8", MANROFFSEQ="", MANWIDTH="80"))
        # A word of the page itself, as this output has it, is a line that begins with t.
        warnings = [line for line in text.splitlines()
                    if re.search(r"<standard input>|warning|man: |troff|error:", line)
                    and not re.match(r"t(?!roff:)", line)]
        same((code, warnings), (0, []), name)
        assert len(text) > 1000, name


def test_headings():
    for name in PAGES:
        text = read(build("contrib", name))
        stem, number = name.rsplit(".", 1)
        found = re.search(r"^\.TH (\S+) (\d) \S+ \"cvmseal (\S+)\"", text, flags=re.M)
        same((found.group(1), found.group(2)), (stem.upper(), number), name)
        assert re.fullmatch(r"\d+\.\d+\.\d+", found.group(3)), found.group(3)
        same(re.findall(r"@\w+@", text), [], f"{name}: not filled in")
        titles = re.findall(r"^\.SH (.*)$", text, flags=re.M)
        same((titles[:3], titles[-1]), (["NAME", "SYNOPSIS", "DESCRIPTION"], "SEE ALSO"), name)


def test_pages_that_are_named_exist():
    for name in PAGES:
        text = read(build("contrib", name))
        for other, number in re.findall(r"^\.BR (\S*cvmseal\S*) \((\d)\)", text, flags=re.M):
            assert f"{other}.{number}" in PAGES, f"{name} names {other}({number})"


def test_errors():
    errors = table("error")
    assert len(errors) > 20
    found = [(re.fullmatch(r'\.BR (\w+) " \((\d)\)"', head).groups(), joined(text))
             for head, text in entries(section(page("org.cvmseal1.5"), "ERRORS"))]
    same(found, [((name, code), sentence(text)) for name, code, text in errors], "errors")


def test_reasons():
    reasons = table("reason")
    assert len(reasons) > 10
    found = [(re.fullmatch(r"\.B (\w+)", head).group(1), joined(text))
             for head, text in entries(section(page("org.cvmseal1.5"), "REASON CODES"))]
    same(found, [(code, sentence(text)) for code, text in reasons], "reasons")


def test_exit_codes():
    """Each error's exit code is one of those that cvmseal(1) explains."""
    codes = {re.fullmatch(r"\.B (\d)", head).group(1)
             for head, _ in entries(section(page("cvmseal.1"), "EXIT STATUS"))}
    same(sorted(codes), ["0", "1", "2", "3", "4", "5"], "exit codes")
    assert {code for _, code, _ in table("error")} <= codes


def xml_options():
    """The table in the comment of the XML: columns by the places of their titles."""
    text = read(source("dbus", "org.cvmseal1.xml"))
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if re.match(r"\s+key\s+type\s+methods", line))
    titles = lines[start]
    kind, methods, meaning = (titles.index(word) for word in ("type", "methods", "meaning"))
    options = {}
    last = None
    for line in lines[start + 1:]:
        if not line.strip():
            break
        if line[:kind].strip():
            last = line[:kind].strip()
            options[last] = (line[kind:methods].strip(), line[methods:meaning].split())
        else:
            options[last][1].extend(line[methods:meaning].split())
    return options


def test_options():
    wanted = xml_options()
    assert len(wanted) > 5
    found = {}
    for head, _ in entries(section(page("org.cvmseal1.5"), "OPTIONS")):
        key, kind, methods = re.fullmatch(r'\.BR (\S+) " \((\w+)\): (.*)"', head).groups()
        found[key] = (kind, methods.split())
    same(found, wanted, "options")
    names = {item.get("name") for item in interface().iter("method")} | {"all"}
    for key, (_, methods) in wanted.items():
        assert methods and set(methods) - {"but"} <= names, key


def interface():
    return ElementTree.parse(source("dbus", "org.cvmseal1.xml")).find("interface")


def test_methods():
    wanted = {}
    for method in interface().iter("method"):
        arguments = {way: ", ".join(f"{arg.get('type')} {arg.get('name')}"
                                    for arg in method.iter("arg") if arg.get("direction") == way)
                     for way in ("in", "out")}
        wanted[method.get("name")] = (f"({arguments['in']})"
                                      + (f" -> ({arguments['out']})" if arguments["out"] else ""))
    found = {}
    for head, _ in entries(section(page("org.cvmseal1.5"), "METHODS")):
        name, signature = re.fullmatch(r'\.BR "(\w+)" "(.*)"', head).groups()
        found[name] = signature
    same(found, wanted, "methods")

    properties = {item.get("name") for item in interface().iter("property")}
    shown = {re.fullmatch(r'\.BR (\w+) ".*"', head).group(1)
             for head, _ in entries(section(page("org.cvmseal1.5"), "PROPERTIES"))}
    same(shown, properties, "properties")


def test_profile_keys():
    text = read(source("sealer", "policy", "profile.c"))
    groups = re.search(r"groups\[\] = \{(.*?)\}", text).group(1)
    groups = re.findall(r'"(\w+)"', groups)
    rows = re.findall(r'\{(\d), "(\w+)", parse_', text)
    wanted = {name: [key for number, key in rows if int(number) == index]
              for index, name in enumerate(groups)}
    own = [key for group in groups for key in wanted[group]]
    assert len(own) == len(rows) > 5
    tee = table("key")
    assert len(tee) > 30
    for group, key in tee:
        wanted.setdefault(group, []).append(key)
    manual = page("cvmseal.policy.5")
    found = {name: [re.fullmatch(r"\.I ([\w.]+)=", head).group(1)
                    for head, _ in entries(section(manual, f"[{name}]"))] for name in wanted}
    same(found, wanted, "keys")
    # The shipped profiles show every key; those of the TEE as comments.
    for name in ("default", "unattested"):
        keys = re.findall(r"^(\w+)=", read(source("policies", name + ".policy")), flags=re.M)
        same(keys, own, name)
    keys = re.findall(r"^#([A-Z][\w.]+)=", read(source("policies", "default.policy")), flags=re.M)
    same(keys, [key for _, key in tee], "default, as comments")


def test_claims():
    claims = table("claim")
    assert len(claims) > 100
    manual = page("cvmseal.claims.5")
    for group, title in (("COMMON", "CLAIMS OF EVERY TEE"), ("SNP", "CLAIMS OF SEV-SNP"),
                         ("TDX", "CLAIMS OF TDX"), ("HCL", "CLAIMS OF AZURE'S PARAVISOR"),
                         ("VTPM", "CLAIMS OF THE VTPM"),
                         ("VTPM_TD", "CLAIMS OF A VTPM THAT IS A TD"),
                         ("LOG", "CLAIMS OF EVENT LOGS")):
        found = [re.fullmatch(r'\.BR (\S+) " \((\w+)\)"', head).groups() + (joined(text),)
                 for head, text in entries(section(manual, title))]
        same(found, [(name, kind.lower(), text)
                     for where, name, kind, text in claims if where == group], title)
    same(len({name for _, name, _, _ in claims}), len(claims), "names of claims")


def test_pinnable():
    text = read(source("sealer", "policy", "pinnable.c"))
    wanted = re.findall(r'"((?:tee|vtpm)\.[\w.]+)"', text)
    assert len(wanted) > 20
    found = re.findall(r"^((?:tee|vtpm)\.[\w.]+)$",
                       section(page("cvmseal.claims.5"), "SEALING TO CLAIMS"), flags=re.M)
    same(found, wanted, "claims")


def test_daemon_keys():
    wanted = dict(re.findall(r"^(\w+)=(.*)$", read(build("contrib", "cvmseal.conf")), flags=re.M))
    found = {}
    for head, text in entries(section(page("cvmseald.8"), "CONFIGURATION")):
        key = re.fullmatch(r"\.I (\w+)=", head).group(1)
        found[key] = re.search(r"Default: (?:\.BR? )?(\S+?)(?: ?\.)? *(?:$|For )",
                               joined(text)).group(1).rstrip(".")
    same(found, wanted, "keys and defaults")


def test_tee_keys():
    keys = dict(re.findall(r'X\((\w+), "(\w+)"\)', read(source("sealer", "base",
                                                               "daemon-config.h"))))
    usual = dict(re.findall(r'\.(\w+) = \(char \*\)(?:"([^"]+)"|CVS_RUN_DIR|CVS_STATE_DIR )',
                            read(source("sealer", "tee", "tee-paths.c"))))
    assert len(keys) > 5
    usual["run_dir"] = usual["run_dir"] or "/run/cvmseal"
    usual["collateral"] = usual["collateral"] or re.search(
        r'CVS_STATE_DIR "([^"]+)"', read(build("config.h"))).group(1) + "/collateral"
    found = {}
    for head, text in entries(section(page("cvmseald.8"), "WHERE THE TEE IS")):
        key = re.fullmatch(r"\.I (\w+)=", head).group(1)
        found[key] = re.search(r"Default: \.BR (\S+) \.$", joined(text)).group(1)
    same(found, {keys[member]: path for member, path in usual.items()}, "keys and defaults")


def manual_options():
    """Every option that cvmseal(1) describes."""
    text = page("cvmseal.1")
    found = set()
    for title in ("OPTIONS OF SEAL AND GENERATE", "OPTIONS OF VERIFY-REPORT AND COLLATERAL",
                  "OPTIONS OF OTHER COMMANDS", "COMMON OPTIONS"):
        for head, _ in entries(section(text, title)):
            found |= set(re.findall(r"--[a-z][a-z-]*", head))
    return found


def test_commands():
    manual = page("cvmseal.1")
    named = [re.match(r"\.BI? \"?([\w-]+)", head).group(1)
             for head, _ in entries(section(manual, "COMMANDS"))]
    shown = re.findall(r'"cvmseal ([\w-]+)"', section(manual, "SYNOPSIS"))
    same(named, shown, "commands")


def test_options_in_examples_exist():
    for name in ("cvmseal.1", "cvmseald.8", "cvmseal.policy.5"):
        for line in page(name).replace("\\e\n", "").splitlines():
            if "cvmseal " in line:
                words = line.split("cvmseal ", 1)[1].split("|")[0]
                used = set(re.findall(r"(--[a-z][a-z-]*)", words))
                assert used <= manual_options(), f"{name}: {line}"


def test_same_options_as_the_program():
    if not os.path.exists(CLI):
        raise Skip("the command line tool is not built")
    code, text = call(CLI, "--help")
    same(code, 0, text)
    wanted = {"--version", "--help"}
    for command in re.findall(r'"cvmseal ([\w-]+)"', section(page("cvmseal.1"), "SYNOPSIS")):
        assert re.search(rf"^\s+{command}\b", text, flags=re.M), f"{command} in cvmseal --help"
        code, usage = call(CLI, command, "--help")
        same(code, 0, usage)
        wanted |= set(re.findall(r"^\s+(?:-\w, )?(--[a-z-]+)", usage, flags=re.M))
    same(sorted(manual_options()), sorted(wanted), "options")


def test_same_options_as_the_daemon():
    if not os.path.exists(DAEMON):
        raise Skip("the daemon is not built")
    code, text = call(DAEMON, "--help")
    same(code, 0, text)
    wanted = set(re.findall(r"^\s+(?:-\w, )?(--[a-z-]+)", text, flags=re.M))
    found = {option for head, _ in entries(section(page("cvmseald.8"), "OPTIONS"))
             for option in re.findall(r"--[a-z-]+", head)}
    same(sorted(found), sorted(wanted), "options")


def test_audit_fields():
    """The fields of the journal are those that the daemon's source writes."""
    code = source("sealer", "service", "audit.c")
    if not os.path.exists(code):
        raise Skip("the daemon has no audit records yet")
    wanted = set(re.findall(r'"(CVMSEAL_\w+)"', read(code)))
    found = {field for head, _ in entries(section(page("cvmseald.8"), "LOG"))
             for field in re.findall(r"CVMSEAL_\w+", head)}
    same(sorted(found), sorted(wanted), "fields")


main(globals())
