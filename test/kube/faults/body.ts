/** Bodies of answers that do not arrive as they should. */
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

type Body = AsyncIterable<Uint8Array>

/** The first bytes, and then the connection breaks. */
export async function tear(answer: Body, response: ServerResponse, afterBytes: number): Promise<void> {
  let left = afterBytes
  for await (const chunk of answer) {
    const part = chunk.subarray(0, left)
    left -= part.length
    if (left > 0) response.write(part)
    else return void response.write(part, () => response.socket?.destroy())
  }
  response.socket?.destroy()
}

/** One byte at a time. */
export async function trickle(answer: Body, response: ServerResponse, msPerByte: number): Promise<void> {
  for await (const chunk of answer) {
    for (let at = 0; at < chunk.length; at++) {
      response.write(chunk.subarray(at, at + 1))
      await sleep(msPerByte)
    }
  }
  response.end()
}
