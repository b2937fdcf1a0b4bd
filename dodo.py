"""Everything in flows/ is a task: `doit` brings every store up to date. Your own tasks go below."""

from hygge.tasks import DOIT_CONFIG, task_hygge  # noqa: F401
