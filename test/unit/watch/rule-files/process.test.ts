/** What a tool's end says: of the rules that it was given, or of nothing. */
import { expect, test } from 'vitest'
import { runProgram } from '../../../../src/watch/rule-files/process.ts'

const { signal } = new AbortController()

test('a tool that crashes by what it was given has refused it', async () => {
  expect(await runProgram('sh', ['-c', 'kill -ABRT $$'], signal)).toEqual({
    ...{ kind: 'exited', code: 1, stdout: '', stderr: 'crashed: SIGABRT' },
  })
})

test('a tool that is not there, or was stopped, says nothing', async () => {
  expect(await runProgram('no-such-tool', [], signal)).toMatchObject({
    ...{ kind: 'failed', reason: expect.stringMatching(/^no-such-tool: .*ENOENT/) },
  })
  expect(await runProgram('sh', ['-c', 'kill -KILL $$'], signal)).toMatchObject({ kind: 'failed' })
  expect(await runProgram('sleep', ['60'], AbortSignal.abort())).toMatchObject({ kind: 'failed' })
})
