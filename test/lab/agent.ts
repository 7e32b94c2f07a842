/**
 * The process that lives in a pod's network namespace and does there what the lab asks: serve, probe,
 * stream, hold connections. It is started by `nsenter --net=… node agent.ts` with an IPC channel, and ends
 * with the channel, so that no agent outlives the process that made the lab.
 */
import { flushCompileCache } from 'node:module'
import { collect, collected } from './agent/collect.ts'
import { closeConnection, connectionState, openConnection } from './agent/connection.ts'
import { entertain, entertained } from './agent/entertain.ts'
import { dam, pour, poured, pouredAt } from './agent/pour.ts'
import { probe } from './agent/probe.ts'
import { receive, received } from './agent/receive.ts'
import { halt, send, sent } from './agent/send.ts'
import { serve } from './agent/serve.ts'
import { openTransfer, transferState } from './agent/transfer.ts'
import type { Commands, Question, Reply } from './protocol.ts'

type Handlers = {
  readonly [Name in keyof Commands]: (
    ask: Commands[Name]['ask'],
  ) => Promise<Commands[Name]['answer']> | Commands[Name]['answer']
}

const handlers: Handlers = {
  serve,
  probe,
  receive,
  received,
  send,
  sent,
  halt,
  collect,
  collected,
  pour,
  poured,
  pouredAt,
  dam,
  entertain,
  entertained,
  transfer: openTransfer,
  transferred: transferState,
  connect: openConnection,
  connection: connectionState,
  close: closeConnection,
}

process.on('disconnect', () => process.exit(0))
process.on('message', (question: Question) => void reply(question))
tell({ kind: 'ready' })
flushCompileCache()

async function reply({ id, name, ask }: Question): Promise<void> {
  try {
    const handler = handlers[name] as (ask: unknown) => unknown
    tell({ kind: 'answer', id, answer: await handler(ask) })
  } catch (error) {
    tell({ kind: 'refusal', id, message: error instanceof Error ? error.message : String(error) })
  }
}

function tell(message: Reply): void {
  process.send?.(message)
}
