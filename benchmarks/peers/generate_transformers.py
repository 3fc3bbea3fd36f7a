"""transformers' model.generate: batches of prompts of 32 tokens, 64 new ones each, sampled at temperature 1.

No end of sequence, so that every row runs to its last token. Prints one line of JSON a batch size.
"""

import torch
from common import NEW_TOKENS, PAD, arguments, make_model, make_prompts, measure, report


def main():
    parser = arguments(__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 128])
    options = parser.parse_args()
    model = make_model(options).eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = PAD

    for batch in options.batches:
        prompts = make_prompts(batch, model.config.vocab_size)
        mask = torch.ones_like(prompts)

        def run():
            with torch.no_grad():
                out = model.generate(prompts, attention_mask=mask, do_sample=True, temperature=1.0, top_k=0, max_new_tokens=NEW_TOKENS)
            assert out.shape == (batch, prompts.shape[1] + NEW_TOKENS), out.shape

        report(f"generate/{batch}", batch * NEW_TOKENS, measure(run, options.repeats))


if __name__ == "__main__":
    main()
