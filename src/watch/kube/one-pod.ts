/**
 * One pod as the API server has it now, which a watch may not have told yet: who waits for a change that is certainly
 * written asks for the object.
 */
import type { NamespacedName, Pod } from '../../compile/model.ts'
import { isUnreadable } from '../parse/metadata.ts'
import { parsePod } from '../parse/pod.ts'
import type { ApiConnection } from './connection.ts'
import { Pieces } from './pieces.ts'

/** Above what etcd takes. */
const MOST_BYTES = 16 * 2 ** 20

const TIMEOUT_MS = 10_000

/** Undefined where the server has no such pod, or does not answer. Never rejects. */
export async function readPod(
  connection: ApiConnection,
  pod: NamespacedName,
  signal: AbortSignal,
): Promise<Pod | undefined> {
  const [namespace, name] = pod.split('/').map(encodeURIComponent)
  try {
    const response = await connection.get(`/api/v1/namespaces/${namespace}/pods/${name}`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    })
    const pieces = new Pieces(`pod ${pod}`, MOST_BYTES)
    for await (const chunk of response.body) pieces.add(chunk)
    const parsed = response.status === 200 ? parsePod(JSON.parse(pieces.take())) : undefined
    return parsed === undefined || isUnreadable(parsed) ? undefined : parsed
  } catch {
    return undefined
  }
}
