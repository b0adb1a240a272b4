import { Icon, type IconName } from './Icon.tsx';

export interface IconButtonProps {
  icon: IconName;
  /** Its name for those who do not see it, and what a mouse is told. */
  label: string;
  onClick: () => void;
  part?: string;
  className?: string;
  /** Whether what it opens is open. */
  expanded?: boolean;
}

export function IconButton({ icon, label, onClick, part, expanded, className = '' }: IconButtonProps) {
  return (
    <button
      type="button"
      className={`assistant-plain ${className}`}
      part={part}
      aria-label={label}
      aria-expanded={expanded}
      title={label}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}
