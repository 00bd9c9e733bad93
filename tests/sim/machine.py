# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine for tests and benches in Python: a software TPM with a measured boot, a private bus in place
of the system's, and the daemon; with tee=True in a simulated SEV-SNP guest whose SVSM vouches for the
TPM, and with a profile "attested" that asks for it. Everything lies in one folder and ends with the
context."""

import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import tempfile

BUS = """<busconfig><type>custom</type><listen>unix:path={}</listen>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow receive_sender="*"/></policy></busconfig>"""
CONFIG = """[TEE]
ConfigfsPath={tee}/config/tsm/report
SevGuestPath={tee}/dev/sev-guest
SevVmplPath={tee}/none
TdxGuestPath={tee}/none
MeasurementsPath={tee}/none
CcelTablePath={tee}/none
CcelDataPath={tee}/none
TpmLogPath={tee}/none
RunPath={work}/run
CollateralPath={work}/collateral
TestRoots={work}/tee-state/roots
"""
PROFILE = """[Registers]
PCRs=0+2+4+7
[TEE]
Types=snp
Measurements={measurement}
AllowTestRoots=yes
[vTPM]
Kinds=svsm
"""
BOOT_PCRS = (0, 2, 4, 7)


class Machine:
    def __init__(self, source, build, tee=False):
        self.source, self.build, self.tee = pathlib.Path(source), pathlib.Path(build), tee
        self.started = []

    def tpm(self, line):
        """What the multiplexer answers to a line of tpm-mux-control.h."""
        with socket.socket(socket.AF_UNIX) as control, control.makefile() as answers:
            control.connect(str(self.work / "tpm-control"))
            control.sendall(line.encode() + b"\n")
            return answers.readline().split()

    def reports(self):
        """How many reports the TEE has been asked for."""
        return int((self.work / "tee/control").read_text().split("requests=")[1])

    def run(self, *argv):
        return subprocess.run([str(a) for a in argv], check=True, env=self.environment, cwd=self.work,
                              capture_output=True, text=True).stdout

    def start_tee(self):
        """The daemon's arguments."""
        work, tee = self.work, self.work / "tee"
        self.start([self.build / "tests/sim/tee-sim", "--mount", tee, "--state", work / "tee-state",
                    "svsm=on", "vmpl=2", "certs=chain"], "ready")
        self.run("tpm2_createek", "-G", "rsa", "-c", "ek.ctx", "-u", "ek.pub")
        self.run("tpm2_flushcontext", "-t")
        # Without the size that tpm2-tools writes before it.
        (work / "ek.area").write_bytes((work / "ek.pub").read_bytes()[2:])
        (tee / "control").write_text(f"ek={work}/ek.area")
        (work / "config").write_text(CONFIG.format(tee=tee, work=work))
        self.run("cvmseal", "collateral", "import", "--store", work / "collateral", "--roots",
                 work / "tee-state/roots", *(work / "tee-state/collateral").iterdir())
        report = self.run("cvmseal", "report", "--svsm", "--json", "--config", work / "config")
        (self.policies / "attested.policy").write_text(
            PROFILE.format(measurement=json.loads(report)["claims"]["tee.measurement"]))
        return ["--config", work / "config"]

    def start(self, argv, ready=None):
        """Starts a program and waits for a line of its output that has this text."""
        program = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        self.started.append(program)
        while ready:
            if not select.select([program.stdout], [], [], 30)[0]:
                raise TimeoutError(f"{argv[0]} says nothing")
            line = program.stdout.readline()
            if not line:
                raise RuntimeError(f"{argv[0]} ended")
            if ready in line:
                break
        return program

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cvmseal-machine-")
        self.work = work = pathlib.Path(self.folder.name)
        try:
            (work / "tpm").mkdir()
            self.start([self.build / "tests/sim/tpm-mux", "--dir", work / "tpm", "--port", "tpm",
                        "--port", "other", "--control", work / "tpm-control"], "ready")
            (work / "bus.conf").write_text(BUS.format(work / "bus"))
            self.start(["dbus-daemon", "--nofork", "--print-address", "--config-file",
                        work / "bus.conf"], "unix:path")
            self.bus = f"unix:path={work}/bus"
            self.tcti = f"swtpm:path={work}/tpm/tpm"
            self.other_tcti = f"swtpm:path={work}/tpm/other"
            self.vault, self.policies = work / "vault", work / "policies"
            shutil.copytree(self.source / "policies", self.policies)
            self.environment = os.environ | {
                "DBUS_SYSTEM_BUS_ADDRESS": self.bus,
                "TPM2TOOLS_TCTI": self.other_tcti,
                "PATH": f"{self.build}/sealer/ctl:{os.environ['PATH']}",
            }
            for pcr in BOOT_PCRS:
                subprocess.run(["tpm2_pcrextend", f"{pcr}:sha256={'11' * 32}"], check=True,
                               env=self.environment)
            config = self.start_tee() if self.tee else []
            self.start([self.build / "sealer/service/cvmseald", "--bus", self.bus, "--tcti",
                        self.tcti, "--vault", self.vault, "--policies", self.policies, *config])
            subprocess.run(["gdbus", "wait", "--address", self.bus, "--timeout", "30",
                            "org.cvmseal1"], check=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for program in reversed(self.started):
            program.terminate()
            program.communicate()
        self.folder.cleanup()
