"""What daglite uses of dill 0.4; one of the two libraries it stands on without types of their own."""

from dill import _dill as _dill
from dill._dill import (
    DEFAULT_PROTOCOL as DEFAULT_PROTOCOL,
    HIGHEST_PROTOCOL as HIGHEST_PROTOCOL,
    PickleError as PickleError,
    Pickler as Pickler,
    PicklingError as PicklingError,
    PicklingWarning as PicklingWarning,
    Unpickler as Unpickler,
    UnpicklingError as UnpicklingError,
    UnpicklingWarning as UnpicklingWarning,
    dump as dump,
    dumps as dumps,
    load as load,
    loads as loads,
    register as register,
)
