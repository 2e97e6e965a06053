"""Kind `grid`: the panel of commands that is run where none is named; everything else is as in training."""

from surefoot.evaluation import job

MEASURED = {"in_distribution": job.MEASURED["in_distribution"]}
check, evaluate = job.check, job.evaluate
