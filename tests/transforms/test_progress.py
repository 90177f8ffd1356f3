import pickle

from transforms.progress import RunProgress


def test_a_copy_is_the_progress_itself_as_long_as_its_run_goes_on():
    progress = RunProgress()
    sent = pickle.dumps(progress)
    pickle.loads(sent).add_done(3)
    assert progress.rows_done == 3
    del progress
    assert pickle.loads(sent).rows_done == 0


def test_the_steps_of_a_worker_elsewhere_count_together():
    sent = pickle.dumps(RunProgress())  # whose run is not of this process
    reader, model = pickle.loads(sent), pickle.loads(sent)
    reader.bytes_read += 10
    model.add_done(1)
    assert (model.bytes_read, reader.rows_done, reader.model_ready) == (10, 1, None)


def test_runs_do_not_know_of_each_other():
    one, other = RunProgress(), RunProgress()
    one.set_model_ready()
    one.add_done(1)
    assert (other.rows_done, other.model_ready) == (0, None)
