import {
  type AssistantClient,
  createAssistantClient,
  type RequestHandle,
  type SendOptions,
} from './client.ts';
import type { ClientOptions } from './options.ts';
import type { AssistantStream, StreamOptions } from './stream.ts';
import type { AssistantRequest } from './types.ts';

/** POST only: hands a request to the server and gives its handle. */
export function requestAssistant(
  request: AssistantRequest,
  options: ClientOptions & SendOptions = {},
): Promise<RequestHandle> {
  return clientFor(options).requestAssistant(request, options);
}

/** GET only: the events of a known request, resumed by itself. */
export function streamAssistantResponse(
  requestId: string,
  options: ClientOptions & StreamOptions = {},
): AssistantStream {
  return clientFor(options).streamAssistantResponse(requestId, options);
}

/** Both: hands the request over and streams its answer. */
export function interactWithAssistant(
  request: AssistantRequest,
  options: ClientOptions & SendOptions & StreamOptions = {},
): AssistantStream {
  return clientFor(options).interactWithAssistant(request, options);
}

/** What makes two calls talk to the same server as the same user. */
const IDENTITY = [
  'baseUrl',
  'credentials',
  'headers',
  'token',
  'csrf',
  'fetch',
  'timeouts',
  'retry',
  'hooks',
  'runtime',
] as const;
/** Clients kept; a page has one or two, and a caller that makes new options each time must not leak them. */
const KEPT = 8;
const kept: { options: ClientOptions; client: AssistantClient }[] = [];

/** One client for the same options, so that a guest who posts is the guest who streams. */
function clientFor(options: ClientOptions): AssistantClient {
  const known = kept.find((entry) => IDENTITY.every((key) => entry.options[key] === options[key]));
  if (known) return known.client;
  const client = createAssistantClient(options);
  kept.unshift({ options: { ...options }, client });
  kept.length = Math.min(kept.length, KEPT);
  return client;
}
