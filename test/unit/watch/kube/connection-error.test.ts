import { expect, test } from 'vitest'
import { wordsOf } from '../../../../src/watch/kube/connection-error.ts'

test.each([
  ['a plain error', new Error('no'), 'no'],
  ['something thrown that is none', 'no', 'no'],
  [
    'a system error without a message',
    Object.assign(new Error(''), { code: 'ECONNREFUSED' }),
    'ECONNREFUSED',
  ],
  [
    'several addresses tried, for different reasons',
    new AggregateError(
      [new Error('connect ECONNREFUSED ::1:1'), new Error('connect ETIMEDOUT 127.0.0.1:1')],
      '',
    ),
    'connect ECONNREFUSED ::1:1; connect ETIMEDOUT 127.0.0.1:1',
  ],
  [
    'OpenSSL’s report, with a thread’s number in it',
    Object.assign(
      new Error('80FBC27C:error:0A00010B:SSL routines:tls_validate:wrong version number:x.c:355:\n'),
      {
        code: 'ERR_SSL_WRONG_VERSION_NUMBER',
        reason: 'wrong version number',
      },
    ),
    'TLS: wrong version number',
  ],
  [
    'a certificate that nobody vouches for',
    Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
    'TLS: self-signed certificate',
  ],
])('%s in words', (_, error, words) => {
  expect(wordsOf(error)).toBe(words)
})
