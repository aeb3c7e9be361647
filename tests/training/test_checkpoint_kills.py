"""`kill -9` at random moments of a training: what is left is always a checkpoint to go on from, to the same bits.

A process that has everything imported forks one child after another, each of which trains with resume=True until it is
killed. One that ends by itself ends the test: its network has to be that of a training that was never killed.
"""

import json
import subprocess
import sys

import pytest

PROGRAM = r"""
import json, os, random, signal, sys, time
import numpy as np
import chainrule as cr
from chainrule.training.checkpoints import folder as checkpoint

folder, plain, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])
rng = np.random.default_rng(0)
X = rng.standard_normal((400, 5))
Y = np.sin(X @ [1.0, -2.0, 0.5, 0.0, 1.0])
SETTINGS = dict(optimizer="adam", batch_size=8, dropout=0.1, validation=0.2, early_stopping=10**6, epochs=10**6, verbose=0)
END = 10**6


def trained(folder, steps, resume):
    # trains up to the first checkpoint after so many steps
    net = cr.Network([5, 40, 1], ["tanh", "identity"], "squared_error", dtype="float64", seed=1,
                     backend="reference")  # which can be stopped after every step

    class Enough:
        def after_epoch(self, moment):
            return moment.epoch * 40 >= steps

    history = cr.train(net, X, Y, checkpoint=folder, checkpoint_every="0.003s", resume=resume, callbacks=[Enough()],
                       **SETTINGS)
    return net, history


trained(plain, 40, False)  # everything is imported
begin = time.perf_counter()
if os.fork() == 0:
    trained(plain, 80, True)
    os._exit(0)
os.wait()
window = 1.5 * (time.perf_counter() - begin)  # a child gets to some steps, however busy the machine is
moments = random.Random(5)
places, done, lost = [], 0, 0
for killed in range(kills):
    child = os.fork()
    if child == 0:
        trained(folder, END, True)
        os._exit(1)
    time.sleep(moments.uniform(0.0, window))
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status), status
    found = checkpoint._newest(checkpoint.Path(folder))
    taken = -1 if found is None else found.state["progress"]["taken"]
    assert taken >= done - (done == 0), (taken, done)  # nothing that was kept is ever lost
    done = max(taken, 0)
    places.append(done)
end = max(done, 80) + 1
net, history = trained(folder, end, True)
other, unbroken = trained(plain, end, True)
print(json.dumps({
    "steps": places,
    "same": net.parameters.tobytes() == other.parameters.tobytes(),
    "history": [history.cost == unbroken.cost, history.evaluations == unbroken.evaluations],
    "epochs": history.epochs,
    "files": sorted(os.listdir(folder)),
}))
"""


@pytest.mark.kills
def test_200_kills_leave_a_checkpoint_each_and_the_same_bits_at_the_end(tmp_path):
    command = [sys.executable, "-c", PROGRAM, tmp_path / "run", tmp_path / "plain", "200"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["same"]
    assert found["history"] == [True, True]
    assert found["files"] == ["checkpoint.chainrule", "checkpoint.previous.chainrule", "lock"]
    steps = found["steps"]
    assert len(steps) == 200
    assert sum(step % 40 != 0 for step in steps) > 20  # in the middle of epochs too
    assert len(set(steps)) > 50  # and it went on in between
