# SPDX-License-Identifier: LGPL-2.1-or-later
"""The checks in the guest, as root in tests.service: every check_* function is one, and they run in
the order in which they are written. test-vm.py describes how they report."""

import base64
import collections
import json
import os
import re
import select
import signal
import sys
import time
import traceback

from guest_tools import (COMMANDS, FOLDER, SECRETS, TIMEOUT_S, Done, cvmseal, keep_secret, main_pid,
                         must, new_secret, note, pcr_reasons, property_of, read, refused, run, same,
                         status_of, tell, tpm_commands, write)

# What a distribution does: files, then what the README says comes after them.

def check_install():
    os.makedirs(FOLDER, mode=0o700, exist_ok=True)
    must("tar", "--no-overwrite-dir", "-C", "/", "-xf", "/opt/install.tar")
    must("systemd-sysusers")
    must("systemd-tmpfiles", "--create")
    # Ours, with the same reload.
    write("/run/systemd/system/probe.service", probe())
    for name, settings in SERVICES.items():
        write(f"/etc/systemd/system/{name}", service(name, settings))
    write("/etc/systemd/user/plain.service", USER_SERVICE)
    os.makedirs("/etc/systemd/user/default.target.wants")
    os.symlink("../plain.service", "/etc/systemd/user/default.target.wants/plain.service")
    must("systemctl", "daemon-reload")
    must("systemctl", "reload", "dbus")
    must("getent", "group", "tss")
    for folder in ("/var/lib/cvmseal", "/var/lib/cvmseal/keys"):
        info = os.lstat(folder)
        same((info.st_mode, info.st_uid, info.st_gid), (0o40700, 0, 0), folder)


def check_nothing_runs_before_it_is_asked():
    same(property_of("cvmseald.service", "ActiveState"), "inactive", "state")
    same(property_of("cvmseald.service", "LoadState"), "loaded", "load state")


def check_the_bus_starts_it():
    out = must("busctl", "--system", "--json=short", "call", "org.cvmseal1", "/org/cvmseal1",
               "org.cvmseal1.Manager", "List", "a{sv}", "0", user="alice")
    same(json.loads(out)["data"], [[], ""], "keys, and that there are no more")
    same(property_of("cvmseald.service", "ActiveState"), "active", "state")
    same(property_of("cvmseald.service", "Type"), "dbus", "type")
    owner = must("busctl", "--system", "--json=short", "call", "org.freedesktop.DBus", "/",
                 "org.freedesktop.DBus", "GetConnectionUnixProcessID", "s", "org.cvmseal1")
    same(json.loads(owner)["data"], [main_pid()], "who has the name")


def check_the_tpm_is_found():
    status = json.loads(must("cvmseal", "status", "--json", user="alice"))
    note(f"status: {json.dumps(status)}")
    text = json.dumps(status)
    assert '"memory-locked": true' in text or '"memory_locked": true' in text, text
    assert "sha256" in text and "sha384" in text, text


def check_nobody_else_may_have_the_name():
    done = run("busctl", "--system", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus",
               "RequestName", "su", "org.cvmseal1", "0", user="alice")
    assert done.code != 0 and "Access denied" in done.err, str(done)


# Hardening, as systemd says, as the kernel says, and as it feels inside.

def check_systemd_takes_away_what_the_unit_says():
    wanted = {
        "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes",
        "PrivateTmp": "yes", "PrivateNetwork": "yes", "DevicePolicy": "closed",
        "MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes", "LockPersonality": "yes",
        "CapabilityBoundingSet": "", "AmbientCapabilities": "", "LimitCORE": "0",
        "LimitMEMLOCK": "infinity", "MemorySwapMax": "0", "UMask": "0077",
        "RestrictAddressFamilies": "AF_UNIX",
    }
    shown = must("systemctl", "show", "-p", ",".join(wanted), "cvmseald.service").decode()
    same(dict(line.split("=", 1) for line in shown.splitlines()), wanted, "properties")


def check_the_kernel_holds_it_to_that():
    pid = main_pid()
    status = status_of(pid)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        same(int(status[name], 16), 0, name)
    same(status["NoNewPrivs"], "1", "NoNewPrivs")
    same(status["Seccomp"], "2", "Seccomp")
    same(status["Uid"].split(), ["0"] * 4, "uids")
    for name in ("net", "mnt", "ipc"):
        assert os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/1/ns/{name}"), name


def check_its_memory_is_locked():
    status = status_of(main_pid())
    size, locked, resident = (int(status[name].split()[0]) for name in ("VmSize", "VmLck", "VmRSS"))
    note(f"of {size} kB {locked} kB are locked, {resident} kB resident")
    assert locked >= resident > 0, f"{locked} kB of {resident} kB resident"
    assert locked >= size * 9 // 10, f"{locked} kB of {size} kB"


def probe():
    """The daemon's unit with another program in it."""
    unit = read("/usr/lib/systemd/system/cvmseald.service").decode()
    for old, new in ((r"^Type=.*$", "Type=oneshot"), (r"^BusName=.*$", ""),
                     (r"^Restart=.*$", ""), (r"^WatchdogSec=.*$", ""),
                     (r"^RuntimeDirectory=.*$", "RuntimeDirectory=probe"),
                     (r"^ExecStart=.*$", "ExecStart=/usr/bin/python3 -B /opt/probe.py\n"
                                         "StandardOutput=truncate:/run/probe.json")):
        unit, count = re.subn(old, new, unit, flags=re.M)
        same(count, 1, old)
    return unit


def check_what_its_unit_leaves_to_a_process():
    must("systemctl", "start", "probe.service")
    wanted = {
        "the TPM": "done",
        "the TPM without the kernel's resource manager": "EPERM",
        "the disk": "EPERM",
        "kernel messages": "EACCES",
        "write the vault": "done",
        "write /etc": "EROFS",
        "write /usr": "EROFS",
        "write /var/lib": "EROFS",
        "write cgroups": "EROFS",
        "read a home": "EACCES",
        "kernel settings": "ENOENT",
        "the cgroup of another process": "done",
        "the memory of another process": "EACCES",
        "a Unix socket": "done",
        "an internet socket": "EAFNOSUPPORT",
        "a netlink socket": "EAFNOSUPPORT",
        "become another user": "EPERM",
        "give a file away": "EPERM",
        "a mount": "EPERM",
        "a namespace": "EPERM",
        "trace a process": "EPERM",
        "memory to write and execute": "EACCES",
        "lock all memory": "done",
        "real-time scheduling": "EPERM",
    }
    same(json.loads(read("/run/probe.json")), wanted, "what comes of each try")


# Keys of users.

def check_a_user_seals_and_unseals():
    secret = new_secret()
    done = cvmseal("seal", "db", user="alice", data=secret)
    same(done.code, 0, str(done))
    same(must("cvmseal", "unseal", "db", user="alice"), secret, "secret")
    keys = json.loads(must("cvmseal", "list", "--json", user="alice"))["keys"]
    same([(key["name"], key["owner"], key["pcrs"], key["profile"]) for key in keys],
         [("db", "uid:1000", "0+2+4+7", "default")], "keys")
    explained = json.loads(must("cvmseal", "explain", "db", "--json", user="alice"))
    same(explained["opens"], True, "opens")
    write(os.path.join(FOLDER, "db"), secret.hex())


def check_another_user_does_not_get_it():
    refused(cvmseal("unseal", "db", "--json", user="bob"), "NoSuchKey", 1)
    refused(cvmseal("unseal", "db", "--json", "--owner", "uid:1000", user="bob"),
            "NotAuthorized", 4)
    refused(cvmseal("list", "--json", "--owner", "uid:1000", user="bob"), "NotAuthorized", 4)
    same(json.loads(must("cvmseal", "list", "--json", user="bob"))["keys"], [], "bob's keys")
    for path in ("/var/lib/cvmseal/keys/uid-1000/db", "/var/lib/cvmseal/keys"):
        done = run("cat", path, user="bob")
        assert done.code != 0 and "Permission denied" in done.err, str(done)


def check_the_tpm_device_is_not_the_users():
    done = run("tpm2_getrandom", "--tcti", "device:/dev/tpmrm0", "4", user="alice")
    assert done.code != 0 and "Permission denied" in done.err, str(done)


def check_a_key_of_the_system_needs_polkit():
    generate = ("generate", "shared", "--size", "32", "--owner", "system")
    done = cvmseal(*generate, "--json", user="alice")
    refused(done, "NotAuthorized", 4, "polkit does not allow org.cvmseal1.manage to this caller")
    done = cvmseal(*generate, user="alice")
    assert "those of others need the polkit action org.cvmseal1.manage" in done.err, str(done)
    must("cvmseal", *generate)


def session():
    """A local, active session of alice on the first virtual terminal; its files are in her home."""
    write("/run/scripts/session", """
cd /home/alice
loginctl show-session "$XDG_SESSION_ID" -p Active -p Seat --value >session
cat /proc/self/cgroup >cgroup
cvmseal unseal shared --owner system --json >system.err 2>&1
echo $? >system.code
cvmseal unseal token --owner unit --json >unit.err 2>&1
echo $? >unit.code
""")
    must("systemd-run", "--quiet", "--wait", "--collect", "-p", "PAMName=local-session",
         "-p", "User=alice", "-p", "TTYPath=/dev/tty1", "-p", "StandardInput=null",
         "sh", "/run/scripts/session")


def in_home(name):
    return Done(int(read(f"/home/alice/{name}.code")), read(f"/home/alice/{name}.err"), "")


def check_polkit_would_ask_for_a_password():
    session()
    same(read("/home/alice/session").split(), [b"seat0", b"yes"], "the session")
    refused(in_home("system"), "NotAuthorized", 4,
            "no agent runs that could ask for it: start pkttyagent")


def check_a_rule_of_polkit_allows_it():
    write("/etc/polkit-1/rules.d/10-bob.rules", """
        polkit.addRule(function(action, subject) {
            if (action.id == "org.cvmseal1.manage" && subject.user == "bob")
                return polkit.Result.YES;
        });""")
    must("systemctl", "restart", "polkit.service")
    done = cvmseal("unseal", "shared", "--owner", "system", user="bob")
    same((done.code, len(done.out)), (0, 32), str(done))
    keep_secret(done.out)
    refused(cvmseal("unseal", "shared", "--owner", "system", "--json", user="alice"),
            "NotAuthorized", 4)


# The state of the machine.

def check_a_changed_pcr_refuses():
    must("tpm2_pcrextend", f"14:sha256={'11' * 32}")
    secret = new_secret()
    recovery = "/home/alice/recovery"
    must("cvmseal", "seal", "state", "--pcrs", "0+4+14", "--recovery-key-out", recovery,
         user="alice", data=secret)
    keep_secret(read(recovery).strip())
    same(must("cvmseal", "unseal", "state", user="alice"), secret, "secret")
    must("tpm2_pcrextend", f"14:sha256={'22' * 32}")
    error = refused(cvmseal("unseal", "state", "--json", user="alice"), "PcrMismatch", 3)
    same(pcr_reasons(error), [("PcrDiffers", ["PCR 14"])], "reasons")
    explained = json.loads(must("cvmseal", "explain", "state", "--json", user="alice"))
    same(explained["opens"], False, "opens")

    out = "/home/alice/recovered"
    must("cp", "/var/lib/cvmseal/keys/uid-1000/state", "/home/alice/state")
    must("chown", "alice", "/home/alice/state")
    must("cvmseal", "recover", "/home/alice/state", "--recovery-key-file", recovery, "--out", out,
         user="alice")
    same(read(out), secret, "recovered")
    must("cvmseal", "reseal", "state", "--recovery-key-file", recovery, user="alice")
    same(must("cvmseal", "unseal", "state", user="alice"), secret, "secret after the reseal")
    for path in (recovery, out, "/home/alice/state"):
        os.unlink(path)


def check_unmeasured_pcrs_are_refused():
    done = cvmseal("generate", "nothing", "--size", "32", "--pcrs", "0+16", "--json", user="alice")
    refused(done, "PcrUnmeasured", 3)
    done = cvmseal("generate", "nothing", "--size", "32", "--pcrs", "0+13", "--json", user="alice")
    refused(done, "PcrUnmeasured", 3)


# Keys of units. A script is all that the services run; it is written anew for each start.

SERVICES = {
    "plain.service": "User=alice",
    "other.service": "User=alice",
    "dynamic.service": "DynamicUser=yes",
    "sliced.service": "User=bob\nSlice=system-deep-deeper.slice",
    "delegate.service": "User=alice\nDelegate=yes",
}

# Called as the service of the system; the user's manager starts it with alice's session.
USER_SERVICE = """
[Service]
Type=oneshot
WorkingDirectory=/home/alice
ExecStart=/bin/sh -c 'cat /proc/self/cgroup >user-cgroup; \\
    cvmseal unseal token --owner unit --json >user.err 2>&1; echo $? >user.code'
"""


def service(name, settings):
    return f"""
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /run/scripts/{name}
StandardOutput=truncate:/run/scripts/{name}.out
StandardError=truncate:/run/scripts/{name}.err
{settings}
"""


def start(name, script):
    write(f"/run/scripts/{name}", script)
    run("systemctl", "restart", name)
    return Done(int(property_of(name, "ExecMainStatus")), read(f"/run/scripts/{name}.out"),
                read(f"/run/scripts/{name}.err").decode())


def seal_and_unseal_in(name):
    """Seals a key in a service and unseals it after a restart: the two uids, and the cgroup."""
    secret = new_secret()
    write(f"/run/scripts/{name}.secret", base64.b64encode(secret).decode())
    done = start(name, f"id -u >&2; base64 -d /run/scripts/{name}.secret | "
                       "cvmseal seal token --owner unit >&2")
    same(done.code, 0, str(done))
    first = int(done.err.split()[0])
    if name == "dynamic.service":
        # Somebody else takes the number while the service is down.
        must("systemctl", "stop", name)
        must("useradd", "--no-create-home", "--uid", str(first), "squatter")
    done = start(name, "id -u >&2; cat /proc/self/cgroup >&2; "
                       "exec cvmseal unseal token --owner unit")
    same(done.code, 0, str(done))
    same(done.out, secret, "secret")
    second, group = done.err.split()[:2]
    os.unlink(f"/run/scripts/{name}.out")
    os.unlink(f"/run/scripts/{name}.secret")
    keys = json.loads(must("cvmseal", "list", "--owner", f"unit:{name}", "--json"))["keys"]
    same([key["name"] for key in keys], ["token"], "keys")
    return first, int(second), group


def check_a_service_keeps_its_key_over_a_restart():
    same(seal_and_unseal_in("plain.service"), (1000, 1000, "0::/system.slice/plain.service"),
         "uids and cgroup")


def check_the_key_of_a_unit_is_not_its_users():
    secret = new_secret()
    unit = ("systemd-run", "--quiet", "--wait", "--collect", "--pipe", "--unit=changing")
    must(*unit, "--uid=alice", "cvmseal", "seal", "token", "--owner", "unit", data=secret)
    same(must(*unit, "--uid=bob", "cvmseal", "unseal", "token", "--owner", "unit"), secret,
         "secret")


def check_a_service_below_another_slice():
    _, _, group = seal_and_unseal_in("sliced.service")
    same(group, "0::/system.slice/system-deep.slice/system-deep-deeper.slice/sliced.service",
         "cgroup")


def check_another_service_of_the_same_user_does_not_get_it():
    done = start("other.service", "exec cvmseal unseal token --owner unit --json")
    refused(done, "NoSuchKey", 1)
    done = start("other.service", "exec cvmseal unseal token --owner unit:plain.service --json")
    refused(done, "NotAuthorized", 4)
    done = start("plain.service", "exec cvmseal list --owner unit:plain.service --json")
    same(json.loads(done.out)["keys"][0]["owner"], "unit:plain.service", "its own, by its name")


def check_a_user_alone_does_not_get_the_key_of_a_service():
    refused(cvmseal("unseal", "token", "--json", user="alice"), "NoSuchKey", 1)
    refused(cvmseal("unseal", "token", "--owner", "unit:plain.service", "--json", user="alice"),
            "NotAuthorized", 4)


def check_a_sub_cgroup_is_the_service_that_made_it():
    # It makes a cgroup that is called as another service, and goes there.
    script = """
group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir -p "$group/system.slice/plain.service"
echo $$ >"$group/system.slice/plain.service/cgroup.procs"
sed -n 's/^0:://p' /proc/self/cgroup >&2
"""
    done = start("delegate.service", script + "exec cvmseal list --owner unit --json")
    same(done.err.strip(), "/system.slice/delegate.service/system.slice/plain.service", "cgroup")
    same(json.loads(done.out)["keys"], [], "keys")
    for owner, code in (("unit:delegate.service", 0), ("unit:plain.service", 4)):
        done = start("delegate.service", script + f"exec cvmseal list --owner {owner} --json")
        same(done.code, code, owner)


def check_a_service_of_a_user_is_no_service_of_the_system():
    group = read("/home/alice/user-cgroup").decode().strip()
    assert re.fullmatch(r"0::/user\.slice/.*/user@1000\.service/.*/plain\.service", group), group
    refused(in_home("user"), "NotAuthorized", 4)


def check_a_session_and_a_scope_are_no_service():
    group = read("/home/alice/cgroup").decode().strip()
    assert re.fullmatch(r"0::/user\.slice/user-1000\.slice/session-\w+\.scope", group), group
    refused(in_home("unit"), "NotAuthorized", 4)
    done = run("systemd-run", "--quiet", "--scope", "--uid=alice", "--unit=plain", "cvmseal",
               "unseal", "token", "--owner", "unit", "--json")
    refused(done, "NotAuthorized", 4)


# What the TPM does for one unseal: others wait meanwhile.

# Counted in tests/release: 19. Around each of Load, PolicyPCR and Unseal the kernel's resource
# manager loads and saves what the connection has in the TPM.
WARM_MAX = 21


def check_commands_of_a_warm_unseal():
    from gi.repository import Gio, GLib

    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
    secret = new_secret()
    must("cvmseal", "seal", "warm", data=secret)
    best = None
    arguments = GLib.Variant("(sa{sv})", ("warm", {}))
    # The daemon gives the sessions back after a second: on a busy machine some rounds are cold.
    for _ in range(12):
        tpm_commands()
        reply, fds = bus.call_with_unix_fd_list_sync(
            "org.cvmseal1", "/org/cvmseal1", "org.cvmseal1.Manager", "Unseal", arguments, None,
            Gio.DBusCallFlags.NONE, -1, None)
        seen = tpm_commands()
        with os.fdopen(fds.get(reply.unpack()[0]), "rb") as pipe:
            same(pipe.read(), secret, "secret")
        if best is None or len(seen) < len(best):
            best = seen
    count = collections.Counter(COMMANDS.get(code, code) for code in best)
    note(f"the TPM saw {len(best)} commands: " +
         ", ".join(f"{number} {name}" for name, number in count.most_common()))
    same(count["Unseal"], 1, "Unseal")
    assert len(best) <= WARM_MAX, f"{len(best)} commands, at most {WARM_MAX} wanted"


def check_an_idle_daemon_holds_nothing_in_the_tpm():
    seen = None
    # Each try takes the time of some programs; the daemon needs a second.
    for _ in range(100):
        seen = b"".join(must("tpm2_getcap", "--tcti", "device:/dev/tpm0", f"handles-{kind}")
                        for kind in ("loaded-session", "saved-session", "transient")).strip()
        if seen == b"":
            return
    raise AssertionError(f"handles are left: {seen!r}")


# The life of the daemon.

def check_a_restart_loses_nothing():
    secret = bytes.fromhex(read(os.path.join(FOLDER, "db")).decode())
    before = main_pid()
    must("systemctl", "restart", "cvmseald.service")
    assert main_pid() != before
    same(must("cvmseal", "unseal", "db", user="alice"), secret, "secret")
    must("systemctl", "stop", "cvmseald.service")
    same(must("cvmseal", "unseal", "db", user="alice"), secret, "secret, by activation")
    same(property_of("cvmseald.service", "Result"), "success", "result")


# The journal.

def journal_records():
    must("journalctl", "--sync")
    out = must("journalctl", "-b", "-o", "json", "CVMSEAL_VERDICT=done", "CVMSEAL_VERDICT=refused")
    return [json.loads(line) for line in out.splitlines()]


def find_record(records, **fields):
    return [record for record in records
            if all(record.get(name) == value for name, value in fields.items())]


def check_the_journal_has_the_audit():
    records = journal_records()
    wanted = [
        {"CVMSEAL_METHOD": "Seal", "CVMSEAL_VERDICT": "done", "CVMSEAL_OWNER": "uid:1000",
         "CVMSEAL_KEY": "db", "CVMSEAL_CALLER_UID": "1000",
         "CVMSEAL_CALLER_UNIT": "tests.service", "PRIORITY": "5",
         "MESSAGE_ID": "500cb75d37e84874bcdb94dce96186dd"},
        {"CVMSEAL_METHOD": "Unseal", "CVMSEAL_VERDICT": "done", "CVMSEAL_OWNER": "uid:1000",
         "CVMSEAL_KEY": "db", "MESSAGE_ID": "2141e916a413400782bbf247551a807b"},
        {"CVMSEAL_METHOD": "Unseal", "CVMSEAL_VERDICT": "refused", "CVMSEAL_OWNER": "uid:1000",
         "CVMSEAL_KEY": "state", "CVMSEAL_ERROR": "PcrMismatch", "CVMSEAL_REASON": "PcrDiffers",
         "PRIORITY": "4", "MESSAGE_ID": "610017f714de487f97c87e17341a6393"},
        {"CVMSEAL_METHOD": "Unseal", "CVMSEAL_VERDICT": "refused", "CVMSEAL_CALLER_UID": "1001",
         "CVMSEAL_OWNER": "uid:1000", "CVMSEAL_ERROR": "NotAuthorized"},
        {"CVMSEAL_METHOD": "Unseal", "CVMSEAL_VERDICT": "done", "CVMSEAL_CALLER_UID": "1001",
         "CVMSEAL_OWNER": "unit:changing.service", "CVMSEAL_CALLER_UNIT": "changing.service"},
        {"CVMSEAL_METHOD": "Reseal", "CVMSEAL_VERDICT": "done", "CVMSEAL_KEY": "state",
         "MESSAGE_ID": "b2e4365ea5e44bf39f30ac19221cc64c"},
    ]
    for fields in wanted:
        found = find_record(records, **fields)
        assert found, f"no record with {fields} among {len(records)}"
        # Fields with an underscore come from the journal itself.
        same((found[0]["_SYSTEMD_UNIT"], found[0]["_UID"]), ("cvmseald.service", "0"), "writer")


def forms_of(secret):
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield base64.b64encode(secret).rstrip(b"=")
    yield base64.urlsafe_b64encode(secret).rstrip(b"=")


def check_the_journal_has_no_secret():
    marker = os.urandom(32)
    must("systemd-cat", data=b"marker " + marker.hex().encode() + b"\n")
    must("journalctl", "--sync")
    journal = must("journalctl", "-o", "export", "--all")
    assert any(form in journal for form in forms_of(marker)), "the search finds nothing"
    secrets = [base64.b64decode(line) for line in read(SECRETS).split()]
    assert len(secrets) >= 6, f"{len(secrets)} secrets"
    for number, secret in enumerate(secrets):
        for form in forms_of(secret):
            assert form not in journal, f"secret {number} of {len(secrets)}"
    note(f"none of {len(secrets)} secrets is in {len(journal)} bytes of journal")


# What the second boot will look at.

def check_a_key_for_this_command_line():
    secret = new_secret()
    must("cvmseal", "seal", "command-line", "--pcrs", "0+9", user="alice", data=secret)
    same(must("cvmseal", "unseal", "command-line", user="alice"), secret, "secret")


# Last, since its drop-in stays till the end of this boot.

def check_the_watchdog_ends_a_daemon_that_hangs():
    drop_in = "/run/systemd/system/cvmseald.service.d/watchdog.conf"
    same(property_of("cvmseald.service", "WatchdogUSec"), "30s", "as installed")
    write(drop_in, "[Service]\nWatchdogSec=5\n")
    must("systemctl", "daemon-reload")
    must("systemctl", "restart", "cvmseald.service")
    same(property_of("cvmseald.service", "WatchdogUSec"), "5s", "with the drop-in")
    pid = main_pid()
    ended = select.poll()
    pidfd = os.pidfd_open(pid)
    ended.register(pidfd, select.POLLIN)
    os.kill(pid, signal.SIGSTOP)
    assert ended.poll(TIMEOUT_S * 1000), "it was not ended"
    os.close(pidfd)
    # This waits until the next one is there.
    must("cvmseal", "status")
    assert main_pid() != pid
    assert int(property_of("cvmseald.service", "NRestarts")) >= 1, "systemd did not restart it"
    must("journalctl", "--sync")
    log = must("journalctl", "-b", "-u", "cvmseald.service", "-o", "cat").decode()
    assert "Watchdog timeout" in log, log


def check_the_next_boot_has_another_bus():
    must("systemctl", "enable", "dbus-broker.service")


# The second boot, with another kernel command line and another bus.

def check_the_bus_is_dbus_broker():
    same(property_of("dbus.service", "Id"), "dbus-broker.service", "the bus")
    same(property_of("cvmseald.service", "ActiveState"), "inactive", "state")


def check_the_key_opens_after_a_reboot():
    secret = bytes.fromhex(read(os.path.join(FOLDER, "db")).decode())
    same(must("cvmseal", "unseal", "db", user="alice"), secret, "secret")
    # The rule of the first boot allows it to bob.
    refused(cvmseal("unseal", "shared", "--owner", "system", "--json", user="alice"),
            "NotAuthorized", 4)


def check_another_command_line_refuses():
    error = refused(cvmseal("unseal", "command-line", "--json", user="alice"), "PcrMismatch", 3)
    # The firmware's log says which event it was.
    same(pcr_reasons(error), [("PcrDiffers", ["PCR 9"]), ("EventChanged", ["PCR 9"])], "reasons")


def check_a_service_gets_its_key_after_a_reboot():
    done = start("plain.service", "exec cvmseal unseal token --owner unit")
    os.unlink("/run/scripts/plain.service.out")
    same((done.code, len(done.out)), (0, 32), str(done))
    done = start("other.service", "exec cvmseal unseal token --owner unit:plain.service --json")
    refused(done, "NotAuthorized", 4)


# dbus-daemon does not talk to such a service at all, since it cannot find its user
# (https://github.com/systemd/systemd/issues/22737).
def check_a_dynamic_user_keeps_its_key_under_another_uid():
    first, second, _ = seal_and_unseal_in("dynamic.service")
    note(f"DynamicUser was {first}, then {second}")
    assert first != second, f"twice the uid {first}"


def checks_between(first, last):
    """Those from first on, up to last, as they are written."""
    names = [name for name in globals() if name.startswith("check_")]
    return [globals()[name] for name in names[names.index(first):names.index(last) + 1]]


BOOTS = {
    "1": checks_between("check_install", "check_the_next_boot_has_another_bus"),
    "2": checks_between("check_the_bus_is_dbus_broker",
                        "check_a_dynamic_user_keeps_its_key_under_another_uid")
         + [check_the_journal_has_no_secret],
}


def main():
    with open("/proc/cmdline", encoding="ascii") as file:
        boot = re.search(r"\btests\.boot=(\d)", file.read())[1]
    with open("/proc/uptime", encoding="ascii") as file:
        note(f"boot {boot} has come to the tests after {file.read().split()[0]} s")
    times = {}
    for check in BOOTS[boot]:
        title = check.__name__.removeprefix("check_").replace("_", "-")
        began = time.monotonic()
        try:
            check()
            tell(f"ok boot-{boot}/{title}")
        except Exception:
            note(traceback.format_exc())
            tell(f"not ok boot-{boot}/{title}")
        times[title] = time.monotonic() - began
    longest = sorted(times, key=times.get, reverse=True)[:5]
    note(f"{sum(times.values()):.0f} s, of these " +
         ", ".join(f"{title} {times[title]:.0f}" for title in longest))
    tell("! done")


if __name__ == "__main__":
    sys.exit(main())
