"""Ask the embedded model: no key, no network."""

from puna import completion

MODEL = "embedded/smollm2-135m"

answer = completion(
    model=MODEL,
    messages=[{"role": "user", "content": "Name three primary colors."}],
    max_tokens=40,
)
print(answer.choices[0].message.content)

for chunk in completion(
    model=MODEL,
    messages=[{"role": "user", "content": "Count from one to five."}],
    max_tokens=40,
    stream=True,
):
    print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
