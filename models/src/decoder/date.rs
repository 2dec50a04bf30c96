//! The date that chat templates are told.

use minijinja::{Error, ErrorKind};

/// A day of the Gregorian calendar, at midnight. A template that asks for the time is told this day, always the same,
/// so that the same messages give the same tokens on any day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// From 1 to 9999.
    pub year: u16,
    /// From 1 to 12.
    pub month: u8,
    /// From 1 to the month's last.
    pub day: u8,
}

impl Default for Date {
    /// 1 January 2026.
    fn default() -> Self {
        Self { year: 2026, month: 1, day: 1 }
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Date {
    pub(super) fn is_valid(&self) -> bool {
        (1..=9999).contains(&self.year) && (1..=12).contains(&self.month) && (1..=31).contains(&self.day)
    }

    /// Days since 1 January of the same year.
    fn days_before(&self) -> u32 {
        let is_leap = self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let of_months = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][usize::from(self.month - 1)];
        of_months + u32::from(self.day - 1) + u32::from(is_leap && self.month > 2)
    }

    /// 0 is Sunday.
    fn weekday(&self) -> usize {
        let years = u32::from(self.year) - 1;
        // 1 January of the year 1 is a Monday.
        ((1 + years * 365 + years / 4 - years / 100 + years / 400 + self.days_before()) % 7) as usize
    }

    /// As Python's `strftime` writes it, in English. A dedicated library would be larger than all that a page has left
    /// for it.
    pub(super) fn strftime(&self, format: &str) -> Result<String, Error> {
        let Self { year, month, day } = *self;
        let (month_name, day_name) = (MONTHS[usize::from(month - 1)], DAYS[self.weekday()]);
        let mut text = String::new();
        let mut characters = format.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                text.push(character);
                continue;
            }
            let mut directive = characters.next();
            let is_bare = directive == Some('-');
            if is_bare {
                directive = characters.next();
            }
            let number = |value: u32, width: usize| match is_bare {
                true => value.to_string(),
                false => format!("{value:0width$}"),
            };
            text += &match directive {
                Some('Y') => year.to_string(),
                Some('y') => number(u32::from(year % 100), 2),
                Some('m') => number(month.into(), 2),
                Some('d') => number(day.into(), 2),
                Some('e') => format!("{day:2}"),
                Some('j') => number(self.days_before() + 1, 3),
                Some('B') => month_name.to_owned(),
                Some('b' | 'h') => month_name[..3].to_owned(),
                Some('A') => day_name.to_owned(),
                Some('a') => day_name[..3].to_owned(),
                Some('w') => self.weekday().to_string(),
                Some('F') => self.to_string(),
                Some('D' | 'x') => format!("{month:02}/{day:02}/{:02}", year % 100),
                Some('c') => format!("{} {} {day:2} 00:00:00 {year}", &day_name[..3], &month_name[..3]),
                Some('H' | 'M' | 'S') => number(0, 2),
                Some('I') => "12".to_owned(),
                Some('p') => "AM".to_owned(),
                Some('T' | 'X') => "00:00:00".to_owned(),
                Some('R') => "00:00".to_owned(),
                Some('f') => "000000".to_owned(),
                Some('Z' | 'z') => String::new(),
                Some('n') => "\n".to_owned(),
                Some('%') => "%".to_owned(),
                other => {
                    let seen = other.map_or(String::new(), |other| other.to_string());
                    let message = format!("strftime_now: `%{seen}` is not known here");
                    return Err(Error::new(ErrorKind::InvalidOperation, message));
                }
            };
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_python_writes_them() -> Result<(), Error> {
        let date = |year, month, day| Date { year, month, day };
        assert_eq!(Date::default().strftime("%d %b %Y")?, "01 Jan 2026");
        assert_eq!(
            date(2024, 2, 29).strftime("%A, %B %-d, %Y (%j) %a %y-%m")?,
            "Thursday, February 29, 2024 (060) Thu 24-02"
        );
        assert_eq!(date(2024, 12, 31).strftime("%F %T %I %p %w %j%%")?, "2024-12-31 00:00:00 12 AM 2 366%");
        assert_eq!(date(1999, 3, 7).strftime("%c|%e|%-m")?, "Sun Mar  7 00:00:00 1999| 7|3");
        assert_eq!(date(2000, 3, 1).strftime("%a %j")?, "Wed 061");
        assert_eq!(date(1, 1, 1).strftime("%A")?, "Monday");
        for format in ["%Q", "%", "%-"] {
            assert!(Date::default().strftime(format).is_err(), "{format}");
        }
        Ok(())
    }
}
