# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in the guest in the place of cvmseald, under everything that its unit takes away, and tells
what each try comes to: one JSON object, "done" or the name of the errno."""

import ctypes
import errno
import json
import mmap
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)


def system_call(name, *args):
    if getattr(libc, name)(*args) < 0:
        raise OSError(ctypes.get_errno(), name)


def opened(path, flags):
    os.close(os.open(path, flags))


def write_new(folder):
    path = os.path.join(folder, "probe")
    opened(path, os.O_WRONLY | os.O_CREAT)
    os.unlink(path)


TRIES = {
    "the TPM": lambda: opened("/dev/tpmrm0", os.O_RDWR),
    "the TPM without the kernel's resource manager": lambda: opened("/dev/tpm0", os.O_RDWR),
    "the disk": lambda: opened("/dev/vda", os.O_RDONLY),
    "kernel messages": lambda: opened("/dev/kmsg", os.O_RDONLY),
    "write the vault": lambda: write_new("/var/lib/cvmseal"),
    "write /etc": lambda: write_new("/etc"),
    "write /usr": lambda: write_new("/usr"),
    "write /var/lib": lambda: write_new("/var/lib"),
    "write cgroups": lambda: write_new("/sys/fs/cgroup"),
    "read a home": lambda: os.listdir("/home/alice"),
    "kernel settings": lambda: opened("/proc/sys/kernel/core_pattern", os.O_WRONLY),
    "the cgroup of another process": lambda: opened("/proc/1/cgroup", os.O_RDONLY),
    "the memory of another process": lambda: opened("/proc/1/mem", os.O_RDONLY),
    "a Unix socket": lambda: socket.socket(socket.AF_UNIX).close(),
    "an internet socket": lambda: socket.socket(socket.AF_INET).close(),
    "a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "become another user": lambda: os.setuid(1000),
    "give a file away": lambda: os.chown("/var/lib/cvmseal", 1000, 1000),
    "a mount": lambda: system_call("mount", b"tmpfs", b"/tmp", b"tmpfs", 0, None),
    "a namespace": lambda: system_call("unshare", 0x10000000),
    "trace a process": lambda: system_call("ptrace", 16, 1, 0, 0),
    "memory to write and execute": lambda: mmap.mmap(
        -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
    "lock all memory": lambda: system_call("mlockall", 7),
    "real-time scheduling": lambda: os.sched_setscheduler(
        0, os.SCHED_FIFO, os.sched_param(1)),
}

results = {}
for title, attempt in TRIES.items():
    try:
        attempt()
        results[title] = "done"
    except OSError as error:
        results[title] = errno.errorcode[error.errno]
print(json.dumps(results))
