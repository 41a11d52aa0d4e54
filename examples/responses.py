"""The Responses API: an answer, a stream, and going on from an earlier answer."""

from puna import responses

MODEL = "embedded/smollm2-135m"

first = responses(model=MODEL, input="Name a primary color.", max_output_tokens=20)
print(first.output_text)

stream = responses(
    model=MODEL,
    input="And another one?",
    previous_response_id=first.id,
    max_output_tokens=20,
    stream=True,
)
for event in stream:
    if event.type == "response.output_text.delta":
        print(event.delta, end="")
print()
