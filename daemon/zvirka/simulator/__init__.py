"""A simulated 1C publication, with the quirks of the real one.

``with Simulator(SimulatorOptions(profile="accounting")) as sim:`` serves it on ``sim.url``;
``sim.base`` writes to its infobase, ``sim.faults`` makes it misbehave.
"""

from zvirka.simulator.faults import Faults
from zvirka.simulator.infobase import Infobase, Record
from zvirka.simulator.simulator import Simulator, SimulatorOptions

__all__ = ["Faults", "Infobase", "Record", "Simulator", "SimulatorOptions"]
