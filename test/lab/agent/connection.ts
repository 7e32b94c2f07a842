/**
 * A TCP connection that is kept open and talking: a question to the other pod's echo service, its answer,
 * a pause, and so on. When the flow is cut the answer stays out and TCP repeats the question; when it is
 * let through again the answer comes, unless somebody gave the connection up.
 */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { now } from '../clock.ts'
import type { Commands, ConnectionState } from '../protocol.ts'
import { openTcp } from './tcp.ts'

const QUESTION = Buffer.from('mnpd lab')

interface Conversation {
  readonly socket: Socket
  readonly sourcePort: number
  asked: number
  readonly answers: number[]
  closed?: { at: number; reason: string }
}

const conversations = new Map<number, Conversation>()

/** Answers when the connection stands. @throws when it cannot be made within two seconds */
export async function openConnection(ask: Commands['connect']['ask']): Promise<null> {
  const socket = openTcp(ask)
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(2000) })
  } catch (error) {
    socket.destroy()
    throw new Error(`no connection to ${ask.to} port ${ask.port}`, { cause: error })
  }
  const conversation: Conversation = { socket, sourcePort: socket.localPort ?? 0, asked: 0, answers: [] }
  conversations.set(ask.connection, conversation)
  converse(conversation, ask.intervalMs ?? 10)
  return null
}

export function connectionState({ connection }: Commands['connection']['ask']): ConnectionState {
  const { sourcePort, asked, answers, closed } = conversation(connection)
  return { sourcePort, asked, answers, ...(closed !== undefined && { closed }) }
}

/** An orderly end, which the rules in between may not let through. */
export function closeConnection({ connection }: Commands['close']['ask']): null {
  conversation(connection).socket.destroy()
  return null
}

function conversation(id: number): Conversation {
  const found = conversations.get(id)
  if (found === undefined) throw new Error(`no connection ${id} is held here`)
  return found
}

function converse(conversation: Conversation, intervalMs: number): void {
  const { socket, answers } = conversation
  let reason = 'end'
  let missing = 0
  const question = (): void => {
    if (socket.destroyed) return
    conversation.asked++
    missing = QUESTION.length
    socket.write(QUESTION)
  }
  socket.on('data', (data) => {
    missing -= data.length
    if (missing > 0) return
    answers.push(now())
    setTimeout(question, intervalMs)
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    reason = error.code ?? error.message
  })
  socket.on('close', () => {
    conversation.closed = { at: now(), reason }
  })
  question()
}
