"""Show how long requests to block devices take, as a histogram of microseconds for each device."""

from pybpf import Gadget, HashMap, Log2Hist, Record, tracepoint, u64
from pybpf.gadget import Device
from pybpf.helpers import ktime_get_ns


class Request(Record):
    device: Device
    sector: u64


starts = HashMap("starts", Request, u64, max_entries=10240)
latency = Log2Hist("latency_us", Device)

gadget = Gadget("hist_blockio", report=latency)


@tracepoint("block/block_rq_issue")
def ig_issue(ctx: "struct trace_event_raw_block_rq *"):
    starts[Request(ctx.dev, ctx.sector)] = ktime_get_ns()


@tracepoint("block/block_rq_complete")
def ig_complete(
    ctx: "struct trace_event_raw_block_rq_completion * | struct trace_event_raw_block_rq_complete *",
):
    start = starts.pop(Request(ctx.dev, ctx.sector))
    if start is not None:
        latency[ctx.dev].observe((ktime_get_ns() - start) // 1000)
