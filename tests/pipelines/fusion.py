"""The stages that runners would make of a pipeline, and what goes from one to another of them."""

from collections.abc import Callable, Iterator

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2 as api
from apache_beam.runners.portability.fn_api_runner import FnApiRunner, translations
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.runner import PipelineRunner, PipelineState
from apache_beam.runners.worker import bundle_processor
from apache_beam.transforms.environments import DockerEnvironment

_GROUP = common_urns.primitives.GROUP_BY_KEY.urn
_IMPULSE = common_urns.primitives.IMPULSE.urn
_FLATTEN = common_urns.primitives.FLATTEN.urn
_PAR_DO = common_urns.primitives.PAR_DO.urn


class Planned(PipelineRunner):
    """Runs nothing, and keeps the last pipeline that it was given."""

    pipeline = api.Pipeline()
    state = PipelineState.DONE

    def run_pipeline(self, pipeline, options):
        image = DockerEnvironment.from_container_image("worker:1")
        type(self).pipeline = pipeline.to_runner_api(default_environment=image)
        return self

    def wait_until_finish(self, duration=None):
        pass


def steps(pipeline: api.Pipeline) -> Iterator[api.PTransform]:
    """Yields what a pipeline is made of, without what is made of it."""
    transforms = pipeline.components.transforms
    for transform in transforms.values():
        # What hands on its input consists of nothing, and does nothing.
        hands_on = set(transform.outputs.values()) <= set(transform.inputs.values())
        if not transform.subtransforms and not hands_on:
            yield transform


def problems_of_fusing(pipeline: api.Pipeline) -> list[str]:
    """Returns why some runner might not keep all steps between two groupings on one worker.

    Without any, steps are one chain of functions without state or side inputs, for one kind of
    machine, cut by groupings alone: whatever fuses at all fuses such a chain.
    """
    problems = []
    consumers: dict[str, int] = {}
    environments = set()
    for step in steps(pipeline):
        urn, name = step.spec.urn, step.unique_name
        for collection in step.inputs.values():
            consumers[collection] = consumers.get(collection, 0) + 1
        if urn in (_GROUP, _IMPULSE):
            continue
        if urn != _PAR_DO:
            problems.append(f"{name} is a {urn}")
            continue
        environments.add(step.environment_id)
        does = api.ParDoPayload.FromString(step.spec.payload)
        problems += [
            f"{name} has {what}"
            for what, has in {
                "side inputs": does.side_inputs,
                "state": does.state_specs,
                "timers": does.timer_family_specs,
                "restrictions": does.restriction_coder_id,
                "several outputs": len(step.outputs) > 1,
            }.items()
            if has
        ]
    problems += [f"{each} is read {n} times" for each, n in consumers.items() if n > 1]
    if len(environments) > 1:
        problems.append(f"{len(environments)} environments")
    return problems


def _on_flink(pipeline: api.Pipeline) -> set[str]:
    """What crosses on Flink and Spark: they run each stage that the submitter could fuse."""
    options = PipelineOptions(["--experiments=pre_optimize=all"])
    fused = PortableRunner._optimize_pipeline(pipeline, options)
    transforms = fused.components.transforms
    roots = [transforms[each] for each in fused.root_transform_ids]
    return {collection for root in roots for collection in root.inputs.values()}


def _here(pipeline: api.Pipeline) -> set[str]:
    """What crosses on the local runner, and on the job server that is one."""
    return _written(FnApiRunner().create_stages(pipeline)[1])


def _on_dataflow(pipeline: api.Pipeline) -> set[str]:
    """What crosses on Dataflow: it fuses producers with consumers, and expands what is composed."""
    phases = [
        translations.annotate_downstream_side_inputs,
        translations.fix_side_input_pcoll_coders,
        translations.expand_sdf,
        translations.expand_gbk,
        translations.greedily_fuse,
    ]
    known = frozenset([_GROUP, _IMPULSE, _FLATTEN])
    return _written(translations.create_and_optimize_stages(pipeline, phases, known)[1])


RUNNERS: dict[str, Callable[[api.Pipeline], set[str]]] = {
    "flink": _on_flink,
    "local": _here,
    "dataflow": _on_dataflow,
}


def _written(stages: list[translations.Stage]) -> set[str]:
    """Returns the collections that stages write for others."""
    return {
        collection
        for stage in stages
        for transform in stage.transforms
        if transform.spec.urn == bundle_processor.DATA_OUTPUT_URN
        for collection in transform.inputs.values()
    }


def crossings(pipeline: api.Pipeline, runner: str) -> set[str]:
    """Returns the names of the steps whose results go from one stage to another on a runner."""
    copy = api.Pipeline()
    copy.CopyFrom(pipeline)  # which fusing changes
    collections = RUNNERS[runner](copy)
    return {
        step.unique_name
        for step in steps(pipeline)
        if collections & set(step.outputs.values()) and step.spec.urn != _IMPULSE
    }
