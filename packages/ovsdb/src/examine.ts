/** Whether a server is one to use: it is fit to talk to, and its schema has what is needed. */
import type { Database } from './description.ts'
import { brief } from './json.ts'
import type { Ask, Watch } from './leadership.ts'
import { checkSchema, type Schema } from './schema.ts'

export type Examined =
  | { readonly kind: 'suitable'; readonly schema: Schema }
  | { readonly kind: 'unsuitable'; readonly reason: string }

export async function examine(ask: Ask, description: Database, watch: Watch): Promise<Examined> {
  const objection = await watch.objection
  if (objection !== undefined) return { kind: 'unsuitable', reason: objection }
  const reply = await ask('get_schema', [description.name])
  if (reply.kind === 'error') {
    return { kind: 'unsuitable', reason: `the schema cannot be read: ${brief(reply.error)}` }
  }
  if (reply.kind !== 'result') return { kind: 'unsuitable', reason: reply.reason }
  const checked = checkSchema(description, reply.result)
  return checked.kind === 'suitable' ? checked : { kind: 'unsuitable', reason: checked.problems.join('; ') }
}
