"""A tool loop: the model asks for a call, we make it, the model goes on."""

import json

from puna import completion

MODEL = "embedded/smollm2-135m"

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather of a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]


def get_weather(city: str) -> str:
    return f"21 degrees and sunny in {city}"


messages = [{"role": "user", "content": "What is the weather in Lima?"}]
asked = completion(
    model=MODEL,
    messages=messages,
    tools=TOOLS,
    tool_choice="required",
    temperature=0,
    max_tokens=200,
)
message = asked.choices[0].message
for call in message.tool_calls or []:
    print("the model calls", call.function.name, call.function.arguments)
    result = get_weather(**json.loads(call.function.arguments))
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": result}]

# A larger model needs no "none": this one, left to itself, often calls again.
answer = completion(
    model=MODEL, messages=messages, tools=TOOLS, tool_choice="none", temperature=0, max_tokens=60
)
print(answer.choices[0].message.content)
