#!/usr/bin/env python3
"""--accel muen, with tests/peers/muen_peer as the side that runs the guest: firmware, faults, refusals, signals.

The assembly guests run in tests/guests, each with the other accelerators and this one.
"""
import os
import signal
import subprocess

from hwaccl_cli import BUILD, HWACCL, SANITIZED, CommandTest, main

PEER = os.path.join(BUILD, "tests", "muen_peer")
FIRMWARE = "/usr/share/seabios/bios-256k.bin"

# Counts in RAM for ever, no exit among it.
SPINNING = bytes.fromhex("ff 06 00 05 eb fa")

# What the other side does wrong from the start, and what is said of it. There is nothing to record then.
REFUSED = {
    "wrong-magic": "subject_info_page: subject info: magic is 02006f666e69756d",
    "short-info": "subject_info_page: has 4096 bytes, 28600 are needed",
    "bad-index": "refers to memory region 200",
    "no-tsc": "the frequency of the TSC is zero",
    "short-state": "monitor_state: has 512 bytes, 4096 are needed",
    "no-state": "monitor_state: cannot open",
    "short-interrupts": "monitor_interrupts: has 32 bytes, 4096 are needed",
    "no-timed-event": "there is no memory region monitor_timed_event",
    "no-ram": "there is no memory region vm_ram_3",
    "short-ram": "vm_ram_4: has 4096 bytes",
    "ram-gap": "vm_ram_3 begins at",
    "no-image": "nothing to run",
    "no-doorbell": "doorbell_exit: cannot open",
    "deaf": "doorbell_exit: no process has it open for writing: the subject's side is not running",
}

# At exit 9: is it recorded (None: perhaps), and what is said. Where the doorbells' kind matters, both texts.
FAILED = {
    "die": (False, "the subject's side is gone"),
    "die-writing": (False, "the subject's side is gone"),
    "die-unrung": (False, "the subject's side is gone"),
    "die-rung": (True, "the subject's side is gone"),
    "silent": (False, "the subject's side does not answer"),
    "ring-early": (None, "rang doorbell_exit"),  # if it is heard when the exit is there, the ring for that is the second
    "ring-twice": (None, "rang doorbell_exit"),  # seen at once, or when the next exit is waited for
    "half-ring": (False, ("doorbell_exit is 8 bytes, not 4", "does not answer")),
    "reserved-rights": (True, "DS has reserved access rights"),
    "both-blockings": (True, "interruptibility state 3 is neither"),
    "smi-blocking": (True, "interruptibility state 4 is neither"),
    "unusable-cs": (True, "CS is unusable"),
    "unusable-tr": (True, "TR is not a busy TSS"),
    "available-tss": (True, "TR is not a busy TSS"),
    "wide-selector": (True, "ES has a selector of more than 16 bits"),
    "wide-limit": (True, "IDTR has a limit of more than 16 bits"),
    "long-instruction": (True, "invalid instruction length 16"),
    "wrong-cr0": (False, "CR0 is 13h; expected NE"),
    "wrong-cr4": (False, "CR4 is 0h; expected VMXE"),
    "wrong-rflags": (False, "RFLAGS is 4h"),
    "unknown-reason": (True, "unknown exit reason 35"),
    "wild-reason": (True, "unknown exit reason deadbeef5aa5h"),
    "entry-failure": (True, "the processor refused the guest's state"),
    "garbage": (False, "broke the subject-state ABI"),
    "cut-state": (False, "/monitor_state: its page at 0h is gone"),
    "cut-timed-event": (True, "/monitor_timed_event: its page at 0h is gone"),
    "other-reason": (True, "the bytes in memory are not the instruction that exited"),
}

# Those that are seen at the doorbells, of either kind.
DOORBELLS = {"die", "die-writing", "die-unrung", "die-rung", "silent", "ring-early", "ring-twice", "half-ring"}


class Muen(CommandTest):
    def guest(self, name):
        return os.path.join(BUILD, "guests", name + ".bin") + "@0x7c00"

    def run_with_peer(self, peer_options, record_options, status=0):
        done = subprocess.run([PEER, *peer_options, "--", HWACCL, "record", *record_options], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", timeout=300,
                              check=False)
        self.assertEqual(done.returncode, status, f"{peer_options}: {done.stdout[-1000:]}{done.stderr}")
        return done

    def replays(self, database, exits=None):
        """The recording is whole: its check passes, and all of its exits replay without a difference."""
        recorded = self.query(database, "SELECT count(*) FROM exits")[0][0]
        if exits is not None:
            self.assertEqual(recorded, exits)
        self.succeed("check", database)
        replay = self.succeed("replay", database).stdout
        self.assertRegex(replay, rf"replayed {recorded} exits .* 0 divergences")
        options = dict(self.query(database, "SELECT name, value FROM recording"))
        self.assertEqual(options["accel"], "muen")
        self.assertEqual(options["status"], "complete")
        return options

    def test_firmware_boots_with_either_kind_of_doorbell(self):
        if not os.path.exists(FIRMWARE):
            self.skipTest("package seabios is not installed")
        for kind in [["--eventfd"]] if SANITIZED else [[], ["--eventfd"]]:
            database = self.path("seabios.db")
            done = self.run_with_peer(["--firmware", FIRMWARE, "--memory", "32", *kind],
                                      ["-o", database, "--force", "--timeout", "250", "--until", "No bootable device"])
            self.assertIn("SeaBIOS (version", done.stdout)
            options = self.replays(database)
            self.assertEqual(options["memory_size"], str(32 << 20))
            self.assertEqual(options["firmware_size"], str(os.path.getsize(FIRMWARE)))
            self.assertEqual(len(options["firmware_sha256"]), 64)
            self.assertGreater(self.query(database, "SELECT count(*) FROM exits")[0][0], 3000)

    def test_a_directory_that_is_not_as_it_must_be_is_refused_in_one_line(self):
        for fault, mention in REFUSED.items():
            with self.subTest(fault):
                database = self.path("refused.db")
                done = self.run_with_peer(["--raw", self.guest("cpuid"), "--fault", fault], ["-o", database], status=2)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertIn(mention, done.stderr)
                self.assertFalse(os.path.exists(database))

    def fails(self, fault, kind, recorded, mention):
        database = self.path("failed.db")
        impatience = ["--timeout", "1", "--subject-timeout", "0.5"] if "does not answer" in mention else []
        done = self.run_with_peer(["--raw", self.guest("control_register"), "--fault", fault + "@9", *kind],
                                  ["-o", database, "--force", *impatience], status=1)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(mention, done.stderr)
        options = self.replays(database, None if recorded is None else 10 if recorded else 9)
        self.assertIn(options["end"], ("error", "entry failure"))

    def test_every_fault_ends_the_guest_with_one_line_and_keeps_the_recording(self):
        for fault, (recorded, mention) in FAILED.items():
            for number, kind in enumerate([[], ["--eventfd"]]):
                if number and fault not in DOORBELLS:
                    continue  # what is in the pages has nothing to do with doorbells
                with self.subTest(fault, kind=kind):
                    self.fails(fault, kind, recorded, mention if isinstance(mention, str) else mention[number])

    def test_memory_that_is_taken_away_while_an_exit_is_handled_ends_the_guest(self):
        database = self.path("cut.db")
        done = self.run_with_peer(["--raw", self.guest("cpuid"), "--fault", "cut-ram@5"],
                                  ["-o", database, "--save-memory", self.path("memory")], status=1)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn("guest ended: error: muen: ", done.stderr)
        self.assertIn("/vm_ram_1: its page at 7000h is gone", done.stderr)
        options = self.replays(database, 6)
        self.assertEqual(options["end"], "error")
        self.assertIn("vm_ram_1", options["end_message"])

    def test_states_of_random_bytes_end_in_an_error_or_the_guests_death(self):
        ends = set()
        for seed in range(4 if SANITIZED else 12):
            database = self.path("random.db")
            done = subprocess.run([PEER, "--raw", self.guest("io_string" if seed % 2 else "mmio_long"), "--seed",
                                   str(seed), "--fault", f"likely-garbage@{4 + seed}", "--", HWACCL, "record", "-o",
                                   database, "--force", "--timeout", "5", "--subject-timeout", "5"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  text=True, errors="replace", timeout=60, check=False)
            self.assertIn(done.returncode, (0, 1), done.stderr)
            self.assertNotIn("ssertion", done.stderr)
            ends.add(self.replays(database)["end"])
        self.assertTrue(ends)

    def test_interrupts_that_others_set_do_no_harm(self):
        database = self.path("others.db")
        self.run_with_peer(["--raw", self.guest("cpuid"), "--fault", "other-interrupts@3"],
                           ["-o", database, "--expect-exit", "0"])
        self.replays(database)

    def test_a_guest_that_never_exits_is_stopped_by_the_clock(self):
        image = self.write("spinning.bin", SPINNING)
        for kind in [[], ["--eventfd"]]:
            database = self.path("spinning.db")
            done = self.run_with_peer(["--raw", image + "@0x7c00", *kind],
                                      ["-o", database, "--force", "--timeout", "0.3"])
            self.assertIn("the timeout was reached", done.stderr)
            self.replays(database)

    def test_signals_end_the_guest(self):
        image = self.write("spinning.bin", b"\xe6\x80" + SPINNING)  # behind one exit
        for number in signal.SIGINT, signal.SIGTERM:
            database = self.path(f"signal-{number}.db")
            with subprocess.Popen([PEER, "--raw", image + "@0x7c00", "--", HWACCL, "record", "-o", database, "--force",
                                   "--timeout", "60"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True) as process:
                self.wait_until_completed(process, database, 1)
                process.send_signal(number)  # the peer passes it on
                _, messages = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, messages)
            self.assertIn("stopped: interrupted", messages)
            self.replays(database)

    def test_a_kernel_is_refused_where_the_subject_brings_an_image(self):
        kernel = os.path.join(BUILD, "guests", "multiboot_placed.bin")
        done = self.run_with_peer(["--raw", self.guest("cpuid")], ["--kernel", kernel, "-o", self.path("none.db")], status=2)
        self.assertIn("--kernel excluded: the subject provides its image (vm_image)", done.stderr)
        self.assertFalse(os.path.exists(self.path("none.db")))

    def test_options_that_contradict_the_subject_are_refused(self):
        muen = ["record", "--accel", "muen", "-o", self.path("none.db")]
        directory = ["--subject-dir", self.path("nowhere")]
        for options, mention in [
                ([], "--subject-dir DIR"),
                ([*directory, "--memory", "64M"], "--memory and --accel muen exclude each other"),
                ([*directory, "--raw", "x@0"], "--raw and --accel muen exclude each other"),
                ([*directory, "--firmware", "x"], "--firmware and --accel muen exclude each other"),
                ([*directory, "--tsc-khz", "1000000"], "--tsc-khz and --accel muen exclude each other"),
                ([*directory, "--clock", "virtual"], "--clock virtual is not supported with --accel muen"),
                ([*directory, "--verify"], "--verify requires KVM"),
                ([*directory, "--subject-doorbells", "1"], "--subject-doorbells"),
                ([*directory, "--subject-doorbells", "0,1,987"], "--subject-doorbells"),
                ([*directory, "--subject-doorbells", "0,1,2,0,1"], "--subject-doorbells"),
                ([*directory, "--subject-doorbells", "0,1,x"], "--subject-doorbells"),
                ([*directory, "--subject-timeout", "0"], "--subject-timeout"),
                (["--subject-dir", ""], "--subject-dir"),
                (directory, "subject_info_page: cannot open"),
        ]:
            self.refuse(*muen, *options, mention=mention)
        self.refuse("record", "--accel", "soft", "--raw", "x@0", "-o", self.path("none.db"), *directory,
                    mention="require --accel muen")


if __name__ == "__main__":
    main()
