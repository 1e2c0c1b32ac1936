import threadpoolctl

from pipeline.runtime.matrix_threads import use_own_thread_only


def test_numpy_multiplies_on_the_thread_that_asks() -> None:
    use_own_thread_only()
    pools = threadpoolctl.threadpool_info()
    assert {pool["num_threads"] for pool in pools if pool["internal_api"] == "openblas"} <= {1}
