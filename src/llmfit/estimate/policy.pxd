# The named constants that people argue about. Values and reasons: src/data/policy.csv.
# tests/catalog/test_codes.py holds this list and the file equal.

cdef struct Policy:
    double default_context, ubatch, prompt_tokens
    double comfortable_utilization, good_utilization, comfortable_ram, good_ram
    double reasonable_tps, slow_tps, slow_penalty, fast_enough_tps
    double visible_loss, heavy_loss, loss_weight
    double community_factor, off_task_factor, slow_factor, no_gguf_penalty, copy_penalty, marginal_penalty
    double finetune_theta, unproven_theta, special_theta, prediction_weight, generation_step, undated_year
    double machine_cost
    double unknown_spread, moe_spread, split_spread, high_spread
    double fixed_ms, tflops_exponent, moe_logit, bandwidth_logit, cache_efficiency
    double moe_layer, expert_exponent, hybrid_layer, gemma_layer, block_layer, roofline_cap, gpu_flop, cpu_flop
    double prompt_moe, prompt_read, prompt_attention, prompt_layer_ms
    double attention_flop, untied_from, logit_f16, logit_q8, logit_q56, logit_q4_0, logit_q23
