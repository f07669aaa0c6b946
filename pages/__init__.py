"""What people see. Streamlit lists the numbered scripts here as pages; `ui` is what they share."""
