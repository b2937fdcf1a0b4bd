"""This is where the words stand that records and answers are made of: none of them is a secret."""

from __future__ import annotations

_WORDS = """
ERROR INFO WARN about action affected_modules attempt bars before behind bends board broken bytes
call_stack cards cells changed changes column columns command completion config config_hash
config_path context_data counts cpu_seconds created data debug depends_on description detail
diagnostics doit done edges ended error error_message error_type events expected failed failures
false file file_being_processed file_dep files findings flow flows flows_behind fresh full graph
group hash hash_length hint home home_kind hygge ignored info input inputs interrupted job_id
killed kind label last_failure last_move layer left_over level line list made manifest mark
max_attempts mismatches modified move moved name needed_by needs never new_value nochange nodes
none not_run null old_value on_removed operation options original_error origins otherwise output
outputs outside overwritten partition partitions path peak_memory_bytes pending plan planned
platform polars progress project pyarrow python read reason reasons receipt rejected remembered
remove removed resources role rows run_id running runs schema schema_version seconds severity show
size size_bytes skipped source source_module sources stale started state states status step steps
store store_kind strays subject succeeded tail target target_module targets task tasks text texts
through time timestamp total traceback transform true type unchanged unknown upstream value values
variables verify versions wait_s waiting waits_for warning warnings what where worker_id written
written_by wrote
"""

OWN_WORDS = frozenset(_WORDS.split())
"""What keys, kinds and states are called. Where one of them stands says nothing of a password."""
