/** Who agreed to what, as a provider remembers it for one application. */
export interface Consents {
  /** Whether this was agreed to before. */
  cover(subject: string, scopes: string[]): boolean;
  /** Answers whether it is the person's first. */
  add(subject: string, scopes: string[]): boolean;
  forget(): void;
}

export function createConsents(): Consents {
  const agreed = new Map<string, Set<string>>();
  return {
    cover(subject, scopes) {
      const before = agreed.get(subject);
      return before !== undefined && scopes.every((scope) => before.has(scope));
    },
    add(subject, scopes) {
      const before = agreed.get(subject);
      agreed.set(subject, new Set([...(before ?? []), ...scopes]));
      return before === undefined;
    },
    forget: () => agreed.clear(),
  };
}
