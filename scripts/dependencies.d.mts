export function whyInstall(root: string): string | undefined;
export function ensureDependencies(root: string, say: (line: string) => void): Promise<void>;
