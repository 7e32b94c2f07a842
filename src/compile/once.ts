/** What follows from a value that never changes, worked out at the first question and kept for as long as the value. */
export function once<From extends object, T>(tell: (from: From) => T): (from: From) => T {
  const told = new WeakMap<From, { readonly value: T }>()
  return (from) => {
    const known = told.get(from) ?? { value: tell(from) }
    told.set(from, known)
    return known.value
  }
}
