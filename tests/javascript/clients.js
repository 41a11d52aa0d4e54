// What the tests of this folder share. `tests/clients/test_clients_javascript.py` starts the gateway
// and says where it is.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

export const URL = needed("PUNA_URL");
export const KEY = needed("PUNA_KEY");
export const MODELS = needed("PUNA_MODELS").split(",");

export const openai = new OpenAI({ apiKey: KEY, baseURL: `${URL}/v1`, maxRetries: 0 });
export const anthropic = new Anthropic({ apiKey: KEY, baseURL: URL, maxRetries: 0 });

// The same model name with another last word: at replayed hosts it names the fixture.
export const playing = (model, fixture) => model.slice(0, model.lastIndexOf("/") + 1) + fixture;

function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these tests by pytest`);
  return value;
}
