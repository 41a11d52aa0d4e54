"""An answer that is a pydantic object."""

from pydantic import BaseModel

from puna import completion


class Person(BaseModel):
    name: str
    age: int


answer = completion(
    model="embedded/smollm2-135m",
    messages=[{"role": "user", "content": "Alice is 31 years old. Return JSON."}],
    response_format=Person,
    temperature=0,
)
print(Person.model_validate_json(answer.choices[0].message.content or ""))
