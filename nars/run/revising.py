"""Changes to a run while it is computed: what it was begun with, brought to what has been measured since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nars.files.atomic import write_json
from nars.run.changes import changes, first_values, refuse_others
from nars.run.config import RunConfig, set_value
from nars.run.folder import read_json
from nars.run.run import Run


def revised(run: Run, values: Mapping[str, Any]) -> Run:
    """The run with other values of dotted keys that may change as it stands (`nars.run.changes`); its file has them.

    Raises:
        ConfigError: they may not.
    """
    content = run.config.model_dump(mode="json")
    for key, value in values.items():
        set_value(content, key, value)
    config = RunConfig.model_validate(content)
    found = changes(run.config, config)
    if not found:
        return run
    refuse_others(found, config, run.folder)
    document = read_json(run.folder.run_file)
    began = first_values(document.get("began", {}), found)
    write_json(run.folder.run_file, document | {"config": config.model_dump(mode="json"), "began": began})
    run.log(f"plan: {'; '.join(map(str, found))}")
    return run.configured(config)
