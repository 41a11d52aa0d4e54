"""Many calls at once, and a fallback for when a host does not answer."""

import asyncio

from puna import acompletion

QUESTIONS = ["Name a fruit.", "Name a tree.", "Name a bird."]


async def ask(question: str) -> str:
    answer = await acompletion(
        model="openai/llama-3.3-70b",
        api_base="http://127.0.0.1:9/v1",  # nobody listens here
        messages=[{"role": "user", "content": question}],
        max_tokens=20,
        max_retries=0,
        fallbacks=["embedded/smollm2-135m"],
    )
    return f"{question} {answer.choices[0].message.content} [{answer.report.provider}]"


async def main() -> None:
    for line in await asyncio.gather(*(ask(question) for question in QUESTIONS)):
        print(line)


asyncio.run(main())
