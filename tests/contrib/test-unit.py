# SPDX-License-Identifier: LGPL-2.1-or-later
"""Unit, sysusers, tmpfiles and configuration, each read by the program that will read it."""

import configparser
import os
import re
import stat
import tempfile

from tap import Skip, build, call, main, read, same, source

# Ten times the exposure level that systemd 252 finds; 0 is best, 100 is a service with no limits.
EXPOSURE_MAX = 12

UNIT = build("contrib", "cvmseald.service")

DEFAULTS = {
    "TCTI": "device:/dev/tpmrm0",
    "MaxRequests": "256",
    "StoreKeyFile": "/run/cvmseal/store-key",
    "RequireStoreKey": "no",
    "MaxRequestsPerUser": "32",
    "SecretTimeoutSec": "30",
    "MaxKeysPerOwner": "10000",
    "MaxBytesPerOwner": "268435456",
}


def settings(section):
    """The settings of a section of the unit: lists, since some are given more than once."""
    values = {}
    current = None
    for line in read(UNIT).splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif line and not line.startswith("#") and current == section:
            key, value = line.split("=", 1)
            values.setdefault(key, []).append(value)
    return values


def test_exposure():
    code, text = call("systemd-analyze", "security", "--offline=true",
                      f"--threshold={EXPOSURE_MAX}", "--no-pager", UNIT)
    assert code == 0, text
    assert "Overall exposure level for cvmseald.service" in text, text


def test_verify():
    with tempfile.TemporaryDirectory() as folder:
        unit = os.path.join(folder, "cvmseald.service")
        with open(unit, "w", encoding="utf-8") as file:
            file.write(re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", read(UNIT), flags=re.M))
        # It looks for the manual pages that the unit names.
        for page in os.listdir(build("contrib")):
            section = page.rsplit(".", 1)[-1]
            if section in ("1", "5", "8"):
                os.makedirs(os.path.join(folder, f"man{section}"), exist_ok=True)
                os.symlink(build("contrib", page), os.path.join(folder, f"man{section}", page))
        code, text = call("systemd-analyze", "verify", "--recursive-errors=no", unit,
                          env=dict(os.environ, MANPATH=folder))
        if "No manual entry" in text or "failed with code 16" in text:
            assert not os.path.exists(os.path.join(folder, "man8")), text
            text = re.sub(r"^.*failed with code 16\n", "", text, flags=re.M)
        same((code, text), (0, ""), "systemd-analyze verify")


def test_what_the_exposure_level_does_not_see():
    service = settings("Service")
    wanted = {
        "Type": "dbus",
        "BusName": "org.cvmseal1",
        "User": "root",
        "SupplementaryGroups": "tss",
        "CapabilityBoundingSet": "",
        "AmbientCapabilities": "",
        "LimitMEMLOCK": "infinity",
        "LimitCORE": "0",
        "MemorySwapMax": "0",
        "UMask": "0077",
        "StateDirectory": "cvmseal",
        "StateDirectoryMode": "0700",
        "DevicePolicy": "closed",
        # The store key lies in it.
        "RuntimeDirectoryPreserve": "yes",
        "RestrictAddressFamilies": "AF_UNIX",
        # The unit of a caller is read from /proc/PID/cgroup.
        "ProtectProc": "default",
    }
    for key, value in wanted.items():
        same(service.get(key), [value], key)
    same(service.get("DeviceAllow"),
         ["/dev/tpmrm0 rw", "/dev/sev-guest rw", "/dev/tdx_guest rw"], "DeviceAllow")
    assert int(service["WatchdogSec"][0]) > 0
    assert "PrivateDevices" not in service, "would hide the TPM"
    assert "PrivateUsers" not in service, "would hide who owns what"
    assert int(service["TimeoutStopSec"][0]) > int(DEFAULTS["SecretTimeoutSec"])


def members(group, seen):
    code, text = call("systemd-analyze", "syscall-filter", "--no-pager", group)
    same(code, 0, text)
    found = set()
    for line in text.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            if word not in seen:
                seen.add(word)
                found |= members(word, seen)
        elif word and not word.startswith("#"):
            found.add(word)
    return found


def test_system_calls():
    allowed = set()
    for value in settings("Service")["SystemCallFilter"]:
        for word in value.lstrip("~").split():
            group = members(word, {word}) if word.startswith("@") else {word}
            allowed = allowed - group if value.startswith("~") else allowed | group
    # What a run of the daemon has used, from start to stop (strace), and what other C libraries and
    # architectures use in its place.
    needed = set("""
        access arch_prctl brk clone3 close connect eventfd2 execve exit exit_group fcntl flock fsync
        futex getdents64 getegid geteuid getpeername getpid getrandom gettid ioctl lseek madvise
        mkdirat mlock mlockall mmap mprotect munmap newfstatat openat pipe2 poll prctl pread64
        prlimit64 read recvfrom recvmsg renameat renameat2 rseq rt_sigaction rt_sigprocmask
        rt_sigreturn sched_getattr sched_setattr sendmsg sendto set_robust_list set_tid_address
        socket splice statfs umask unlinkat write
        clone memfd_create mlock2 munlock ppoll restart_syscall statx clock_nanosleep fstat getuid
        """.split())
    refused = {"mount", "ptrace", "setuid", "setresuid", "chown", "fchown", "bpf", "init_module",
               "keyctl", "add_key", "io_uring_setup", "setrlimit", "unshare", "setns", "pivot_root",
               "process_vm_readv", "reboot", "swapon"}
    same(sorted(needed - allowed), [], "needed but refused")
    same(sorted(refused & allowed), [], "not needed but allowed")


def test_sysusers():
    with tempfile.TemporaryDirectory() as root:
        os.mkdir(os.path.join(root, "etc"))
        file = source("contrib", "sysusers.d", "cvmseal.conf")
        code, text = call("systemd-sysusers", f"--root={root}", file)
        if code != 0 and os.geteuid() != 0:
            raise Skip("needs root")
        assert code == 0, text
        groups = read(os.path.join(root, "etc", "group"))
        assert re.search(r"^tss:", groups, flags=re.M), groups
        # One that is there stays as it is.
        with open(os.path.join(root, "etc", "group"), "w", encoding="utf-8") as group:
            group.write("tss:x:12345:\n")
        code, text = call("systemd-sysusers", f"--root={root}", file)
        assert code == 0, text
        same(read(os.path.join(root, "etc", "group")), "tss:x:12345:\n", "/etc/group")


def test_tmpfiles():
    if os.geteuid() != 0:
        raise Skip("needs root to make folders that root owns")
    text = read(build("contrib", "tmpfiles-cvmseal.conf"))
    folders = re.findall(r"^d (\S+) 0700 root root -$", text, flags=re.M)
    same(len(folders), 2, "folders")
    same([line for line in text.splitlines() if line and line[0] not in "d#"], [], "other lines")
    with tempfile.TemporaryDirectory() as root:
        for _ in range(2):
            code, output = call("systemd-tmpfiles", "--create", f"--root={root}",
                                build("contrib", "tmpfiles-cvmseal.conf"))
            assert code == 0, output
            for folder in folders:
                mode = os.lstat(root + folder).st_mode
                assert stat.S_ISDIR(mode)
                same(stat.S_IMODE(mode), 0o700, folder)
            # A key in it survives the next boot.
            with open(os.path.join(root + folders[1], "key"), "w", encoding="utf-8") as key:
                key.write("x")


def daemon_keys(text):
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str
    parser.read_string(text)
    same(parser.sections(), ["Daemon"], "groups")
    return dict(parser["Daemon"])


def test_configuration():
    shipped = daemon_keys(read(build("contrib", "cvmseal.conf")))
    assert os.path.isabs(shipped["VaultDir"])
    vault = shipped.pop("VaultDir")
    same(shipped, DEFAULTS, "cvmseal.conf")

    # The administrator's file changes nothing, and shows each default once it is uncommented.
    example = read(build("contrib", "cvmseal.conf.example"))
    same(daemon_keys(example), {}, "the example")
    shown = daemon_keys(re.sub(r"^#(\w+=)", r"\1", example, flags=re.M))
    same(shown, dict(DEFAULTS, VaultDir=vault), "the example, uncommented")


def test_installing_again_keeps_the_administrators_file():
    with tempfile.TemporaryDirectory() as root:
        target = os.path.join(root, "etc", "cvmseal.conf")
        for content in (None, "[Daemon]\nMaxRequests=7\n"):
            if content:
                with open(target, "w", encoding="utf-8") as file:
                    file.write(content)
            code, text = call(source("contrib", "install-unless-there"),
                              build("contrib", "cvmseal.conf.example"), "/etc/cvmseal.conf",
                              env=dict(os.environ, DESTDIR=root))
            assert code == 0, text
            same(read(target), content or read(build("contrib", "cvmseal.conf.example")), target)


def test_paths_are_filled_in():
    for name in ("cvmseald.service", "cvmseal.conf", "cvmseal.conf.example",
                 "tmpfiles-cvmseal.conf"):
        text = read(build("contrib", name))
        same(re.findall(r"@\w+@", text), [], name)
    same(len(settings("Service")["ExecStart"]), 1, "ExecStart")
    assert os.path.isabs(settings("Service")["ExecStart"][0])


main(globals())
