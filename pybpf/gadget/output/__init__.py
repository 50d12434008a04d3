"""Forms that events are shown in: a module each, imported when it is asked for.

Each has a class whose `header` comes first; then `lines(batch)` for each batch of decoded events, and
`lost(losses)` for word of events that were lost.
"""
