/** A watch's body as lines of text, and what may be sent in a line's place. */

export type Sent =
  /** Whole lines bring their own line break. */
  | { readonly kind: 'text'; readonly text: string }
  /** The last of the stream, which then ends as HTTP ends a body. */
  | { readonly kind: 'ends'; readonly text: string }
  /** The last of the stream, whose connection then breaks. */
  | { readonly kind: 'breaks'; readonly text: string }

export type Line = (plural: string, text: string) => readonly Sent[] | Promise<readonly Sent[]>

/** With their line breaks. */
export async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) yield `${part}\n`
  }
}

/** The type and the object's name of a watch's line. */
export function eventIn(text: string): { readonly type: string; readonly name: string } {
  const { type, object } = JSON.parse(text) as { type: string; object: { metadata?: { name?: string } } }
  return { type, name: object.metadata?.name ?? '' }
}
