"""Helper processes never see Ctrl-C, not even in their first instructions."""

import subprocess
import sys
import textwrap

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_the_first_process_of_a_program_is_born_deaf_to_ctrl_c(method: str) -> None:
    program = f"""
        import multiprocessing, os, signal, time
        from pathlib import Path

        from nars.parallel import interrupts_blocked

        def deaf(number):
            masks = dict(line.split(":") for line in Path(f"/proc/{{number}}/status").read_text().splitlines())
            return bool((int(masks["SigBlk"], 16) | int(masks["SigIgn"], 16)) >> signal.SIGINT - 1 & 1)

        if __name__ == "__main__":
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits SIG_IGN
            with interrupts_blocked():
                process = multiprocessing.get_context({method!r}).Process(target=time.sleep, args=(600,))
                process.start()
            born = Path(f"/proc/self/task/{{os.getpid()}}/children").read_text().split()
            print(len(born), all(deaf(number) for number in [process.pid, *born]), deaf(os.getpid()))
            process.kill()
            process.join()
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.split()[:3] == ["2", "True", "False"]  # Python's own helper, and the process or its server
