"""numpy's matrix products on the thread that asks for them: helpers would keep cores from other models."""

import threadpoolctl


def use_own_thread_only() -> None:
    """Let OpenBLAS, with which numpy multiplies, use no helper threads in this process.

    A helper takes its share of a product and then spins for a tenth of a second in case that there is another one: a
    product of a millisecond, as for the mel frames of a turn, costs a hundred.
    """
    threadpoolctl.ThreadpoolController().select(internal_api="openblas").limit(limits=1)
